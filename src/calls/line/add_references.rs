//! Parts that a person found OK become references of a line: what varies among good parts is no change any more.

use std::sync::Arc;

use sha2::{Digest as _, Sha256};

use super::measure::model_of_line;
use super::pace::Pace;
use super::promote::{Switch, Switched};
use super::rescore::{Rescored, score_parts};
use crate::api::{ApiError, AppState};
use crate::engine::EmbedOptions;
use crate::error_code::Code;
use crate::lines::{Definition, Line, LineError};
use crate::references::{Photograph, Reference};
use crate::reviews::{Inspection, ReviewError, What};

/// Inspections whose images become references in one request, at most.
pub const MOST_ADDED: usize = 16;

/// Letters of a line's name in that of its references.
const LETTERS_OF_NAME: usize = 48;

/// Which parts become references.
#[derive(Debug)]
pub struct AddReferences {
    /// Ids of inspections.
    pub inspections: Vec<String>,
    /// Labelled parts that are scored by this request, at most.
    pub most: usize,
    /// Do it even if a promise that holds now would not hold any more.
    pub accept_weaker: bool,
    /// Lane and deadline.
    pub options: EmbedOptions,
}

/// How far it is.
#[derive(Debug)]
pub struct ReferencesAdded {
    /// The references with the images of the parts, one for each view.
    pub references: Vec<String>,
    /// The labelled parts that they have scored.
    pub rescored: Rescored,
    /// The line with its next version; `None` as long as labelled parts are left to be scored.
    pub switched: Option<Switched>,
}

/// Stores references with the images of the present ones and of these parts, and scores labelled parts with them. When all are
/// scored, these references and a new calibration become the line's next version. The same request again goes on.
///
/// # Errors
/// 400 with the inspection if it is not OK, of another line, or a labelled part; 409 `promise_lost` unless `accept_weaker`,
/// `line_changed`; and others. The line is what it was then.
pub async fn add_references(
    state: &AppState,
    name: &str,
    call: AddReferences,
    who: &str,
) -> Result<ReferencesAdded, ApiError> {
    // Learning the references counts. If it takes too long, this request scores no part; the next one finds them stored.
    let pace = Pace::new(state.request_time);
    let line = state.lines.get(name).await?;
    let added = images_of(state, &line, &call.inspections).await?;
    let model = model_of_line(state, &line.definition)?;
    let mut names = Vec::new();
    for (known, images) in line.definition.references().iter().zip(added) {
        let known = state.references.get(known)?;
        names.push(extended(state, &line, &known, images, call.options).await?);
    }
    if names == line.definition.references() {
        let message = "the images of these parts are references of the line already";
        return Err(ApiError::new(Code::InvalidRequest, message).at("inspections"));
    }
    let definition = with_references(&line.definition, &names);
    let what = (line.name.as_str(), &definition);
    let rescored = score_parts(state, who, what, (call.most, pace), call.options).await?;
    if rescored.left > 0 {
        return Ok(ReferencesAdded {
            references: names,
            rescored,
            switched: None,
        });
    }
    let switch = Switch {
        line: &line,
        definition,
        from: model.clone(),
        to: model,
    };
    let switched = switch.make(state, What::ReferencesAdded, call.accept_weaker, who);
    Ok(ReferencesAdded {
        references: names,
        rescored,
        switched: Some(switched.await?),
    })
}

fn with_references(known: &Definition, names: &[String]) -> Definition {
    let mut definition = known.clone();
    if let Some(first) = names.first() {
        definition.reference.clone_from(first);
    }
    if !definition.views.is_empty() {
        definition.views = names.to_vec();
    }
    definition
}

/// The images of parts, for each reference of the line.
async fn images_of(
    state: &AppState,
    line: &Line,
    inspections: &[String],
) -> Result<Vec<Vec<Photograph>>, ApiError> {
    let reviews = state.lines.store().await?;
    let views = line.definition.references().len();
    let mut images: Vec<Vec<Photograph>> = vec![Vec::new(); views];
    for (i, id) in inspections.iter().enumerate() {
        let at = |error: ApiError| error.at(format!("inspections[{i}]"));
        let of_store = |error: ReviewError| at(LineError::from(error).into());
        // PostgreSQL takes no text with this character.
        if id.contains('\0') {
            return Err(of_store(ReviewError::NoInspection));
        }
        let inspection = reviews.inspection(id).await.map_err(of_store)?;
        let is_labelled = reviews.is_labelled(&line.name, &inspection.content).await;
        let is_labelled = is_labelled.map_err(of_store)?;
        if let Some(why) = why_not(line, &inspection, is_labelled) {
            return Err(at(ApiError::new(Code::InvalidRequest, why)));
        }
        let mut place = 0;
        loop {
            let image = reviews.image(id, place).await;
            match image {
                Ok((image, _)) => images[place as usize % views].push(Photograph(image)),
                Err(ReviewError::NoInspection) if place > 0 => break,
                Err(error) => return Err(of_store(error)),
            }
            place += 1;
        }
    }
    Ok(images)
}

/// Why a part cannot be a reference.
fn why_not(line: &Line, inspection: &Inspection, is_labelled: bool) -> Option<&'static str> {
    if inspection.line != line.name {
        Some("the inspection is of another line")
    } else if inspection.verdict.as_deref() != Some("ok") {
        Some("a reference is a part that a person found OK: give the verdict first")
    } else if is_labelled {
        // It would be compared with itself, and the calibration would take parts for better than they are.
        Some("the part calibrates the line: it cannot be a reference, too")
    } else {
        None
    }
}

/// Stores a reference with more images unless it is there, and returns its name. The name is made of the content: the same
/// request finds it again, and references of other lines stay as they are.
async fn extended(
    state: &AppState,
    line: &Line,
    known: &Arc<Reference>,
    images: Vec<Photograph>,
    options: EmbedOptions,
) -> Result<String, ApiError> {
    let mut definition = known.definition.clone();
    for image in images {
        if !definition.images.contains(&image) {
            definition.images.push(image);
        }
    }
    if definition.images.len() == known.definition.images.len() {
        return Ok(known.name.clone());
    }
    let mut digest = Sha256::new();
    digest.update(&known.name);
    for image in &definition.images {
        digest.update(Sha256::digest(&image.0));
    }
    let digest: String = digest.finalize()[..4]
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    let short: String = line.name.chars().take(LETTERS_OF_NAME).collect();
    let name = format!("line.{short}.{digest}");
    let is_there = state
        .references
        .get(&name)
        .is_ok_and(|there| there.definition == definition);
    if !is_there {
        let model = state.model(definition.model.as_deref())?;
        let options = EmbedOptions {
            images: definition.image_options,
            ..options
        };
        let put = state.references.put(&name, definition, &model, options);
        put.await
            .map_err(|error| ApiError::from(error).at("inspections"))?;
    }
    Ok(name)
}
