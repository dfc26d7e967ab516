//! Scores the labelled parts of a line again: with another model, another reference, or other statements.

use serde::Serialize;
use utoipa::ToSchema;

use super::measure::{line_scored_by, measure, model_of_line};
use super::pace::Pace;
use crate::api::{ApiError, AppState, MayCalibrate};
use crate::engine::EmbedOptions;
use crate::error_code::Code;
use crate::lines::{Definition, Line, LineError};
use crate::reviews::{NewPart, PartToScore, ReviewError};

/// Parts that are scored in one request, at most. They are compared one after the other; fewer of them if the time of the
/// request is short.
pub const MOST_AT_A_TIME: usize = 64;

/// Parts that are scored in one request unless fewer are asked for.
pub const USUAL_AT_A_TIME: usize = 16;

/// How far it is.
#[derive(Debug, Serialize, ToSchema)]
pub struct Rescored {
    /// The model that scored.
    pub model: String,
    /// Parts that were scored by this request.
    pub scored: u64,
    /// Parts that are left: ask again.
    pub left: u64,
    /// Parts whose images are not stored. They are left out until they are sent again.
    pub without_images: u64,
}

/// Scores labelled parts of a line that the model has not scored yet, at most so many. `model` is another one than the line's.
///
/// # Errors
/// [`ApiError`]; what was scored before it stays.
pub async fn rescore(
    state: &AppState,
    right: &MayCalibrate,
    line: &Line,
    (model, most): (Option<String>, usize),
    options: EmbedOptions,
) -> Result<Rescored, ApiError> {
    let mut definition = line.definition.clone();
    if model.is_some() {
        definition.model = model;
    }
    model_of_line(state, &definition).map_err(|error| error.at("model"))?;
    let how = (most, Pace::new(state.request_time));
    score_parts(state, right.who(), (&line.name, &definition), how, options).await
}

/// Scores labelled parts of a line that were not scored as a definition says, which need not be that of the line; at most so
/// many, and no more than there is time for.
///
/// # Errors
/// [`ApiError`]; what was scored before it stays.
pub(super) async fn score_parts(
    state: &AppState,
    who: &str,
    (name, definition): (&str, &Definition),
    (most, mut pace): (usize, Pace),
    options: EmbedOptions,
) -> Result<Rescored, ApiError> {
    let model = model_of_line(state, definition)?;
    let scored_by = line_scored_by(state, definition)?;
    let reviews = state.lines.store().await?;
    let parts = reviews.parts_to_score(name, &scored_by, most).await;
    let parts = parts.map_err(LineError::from)?;
    let mut scored = 0;
    pace.begin();
    for part in parts {
        if !pace.has_time() {
            break;
        }
        let measured = measure(state, definition, &part.images, options).await?;
        if measured.scored_by != scored_by {
            let message = "the model or the reference was replaced meanwhile; ask again";
            return Err(ApiError::new(Code::LoadInProgress, message));
        }
        let Some(evidence) = measured.evidence else {
            let message = format!(
                "a part of lot {:?} has another shape than the reference: parts and reference must come from one camera",
                part.lot
            );
            return Err(ApiError::new(Code::ImageOfOtherShape, message));
        };
        let camera = serde_json::to_string(&measured.cameras);
        let camera = camera.map_err(ReviewError::from).map_err(LineError::from)?;
        let PartToScore {
            lot,
            class,
            content,
            declared,
            who: its_who,
            ..
        } = part;
        let new = NewPart {
            lot,
            class: if class == "ok" { "ok" } else { "ng" },
            score: evidence.changed,
            statements: evidence.statements,
            camera,
            content,
            images: Vec::new(),
        };
        // With the declaration that it came with: who scores it declares nothing.
        let added = reviews
            .add_scores(name, &scored_by, &new, (&its_who, &declared))
            .await;
        scored += added.map_err(LineError::from)?;
    }
    if scored > 0 {
        let noted = reviews.note_scored(name, who, &model, scored).await;
        noted.map_err(LineError::from)?;
    }
    let unscored = reviews.unscored(name, &scored_by).await;
    let unscored = unscored.map_err(LineError::from)?;
    Ok(Rescored {
        model,
        scored,
        left: unscored.with_images,
        without_images: unscored.without_images,
    })
}
