//! What a person sees beside an inspected part: the map of the change, drawn when it is asked for, and the reference.

use std::sync::Arc;

use bytes::Bytes;

use super::measure::line_scored_by;
use crate::api::{ApiError, AppState, answer_size};
use crate::calls::{Against, CompareCall, MapKind, compare};
use crate::engine::{EmbedOptions, ImageSource};
use crate::error_code::Code;
use crate::lines::{Line, LineError};
use crate::preprocess::Format;
use crate::reviews::{Inspection, ReviewError, Reviews};

/// Draws the map of an image of an inspection, with the reference that decided. `view` counts its images from 0.
///
/// # Errors
/// [`ApiError`] if the inspection or the image is not there, and 409 `reference_changed` if the line compares with another
/// reference or model now.
pub async fn map_of(
    state: &AppState,
    id: &str,
    view: u8,
    kind: MapKind,
    options: EmbedOptions,
) -> Result<Vec<u8>, ApiError> {
    let reviews = store(state)?;
    let inspection = reviews.inspection(id).await.map_err(LineError::from)?;
    let (reference, learnt_by) = compared_with(state, &inspection, view).await?;
    // As large as an image may be: its size is known when it is in memory.
    answer_size::reserve(state, state.models.default_model().image_limits().max_bytes)?;
    let image = reviews.image(id, i64::from(view)).await;
    let (image, _) = image.map_err(LineError::from)?;
    let call = CompareCall {
        model: None,
        learnt_by,
        against: Against::Named(reference),
        images: vec![ImageSource::Bytes(image)],
        statements: Vec::new(),
        map: Some(kind),
        options,
    };
    let compared = compare(state, call).await?;
    let only = compared.results.into_iter().next();
    only.and_then(|one| one.map).ok_or_else(|| {
        let message = "the model has no maps: its bundle has neither features nor patch embeddings";
        ApiError::new(Code::ModelHasNoPatches, message)
    })
}

/// The image that the image of an inspection was compared with, and its content type: the first image of its reference, which
/// pictures are aligned with. `view` counts the images from 0. `current`: the image that it would be compared with now.
///
/// # Errors
/// [`ApiError`] if the inspection is not there, and 409 `reference_changed` as [`map_of`].
pub async fn reference_of(
    state: &AppState,
    id: &str,
    view: u8,
    current: bool,
) -> Result<(Bytes, &'static str), ApiError> {
    let inspection = store(state)?.inspection(id).await;
    let inspection = inspection.map_err(LineError::from)?;
    let name = if current {
        let line = line_of(state, &inspection).await?;
        line.definition.reference_of(view.into()).to_owned()
    } else {
        compared_with(state, &inspection, view).await?.0
    };
    let reference = state.references.get(&name)?;
    let first = reference.definition.images.first();
    let image = first.ok_or_else(changed)?.0.clone();
    let kind = Format::of(&image).map_or("application/octet-stream", Format::media_type);
    Ok((image, kind))
}

fn store(state: &AppState) -> Result<&Reviews, ApiError> {
    let none = || LineError::from(ReviewError::NoInspection).into();
    state.lines.reviews().ok_or_else(none)
}

fn changed() -> ApiError {
    let message = "the line has another reference or model since this inspection, which would show other changes";
    ApiError::new(Code::ReferenceChanged, message).at("id")
}

/// The line of an inspection as it is now.
async fn line_of(state: &AppState, inspection: &Inspection) -> Result<Arc<Line>, ApiError> {
    match state.lines.get(&inspection.line).await {
        Err(LineError::Unknown(_)) => Err(changed()),
        line => Ok(line?),
    }
}

/// The reference of a view, and the line's model, if the line still compares as it did.
async fn compared_with(
    state: &AppState,
    inspection: &Inspection,
    view: u8,
) -> Result<(String, Option<String>), ApiError> {
    let line = line_of(state, inspection).await?;
    match line_scored_by(state, &line.definition) {
        Ok(now) if now == inspection.scored_by => {}
        Err(error)
            if error.code != Code::ReferenceNotFound && error.code != Code::ModelNotFound =>
        {
            return Err(error);
        }
        _ => return Err(changed()),
    }
    let definition = &line.definition;
    let reference = definition.reference_of(view.into()).to_owned();
    Ok((reference, definition.model.clone()))
}
