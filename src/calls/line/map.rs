//! The map of a change in an inspected part, drawn when a person asks for it.

use super::measure::line_scored_by;
use crate::api::{ApiError, AppState, answer_size};
use crate::calls::{Against, CompareCall, MapKind, compare};
use crate::engine::{EmbedOptions, ImageSource};
use crate::error_code::Code;
use crate::lines::LineError;
use crate::reviews::ReviewError;

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
    let none = || LineError::from(ReviewError::NoInspection);
    let reviews = state.lines.reviews().ok_or_else(none)?;
    let inspection = reviews.inspection(id).await.map_err(LineError::from)?;
    let changed = || {
        let message = "the line has another reference or model since this inspection, which would show other changes";
        ApiError::new(Code::ReferenceChanged, message).at("id")
    };
    let line = match state.lines.get(&inspection.line).await {
        Err(LineError::Unknown(_)) => return Err(changed()),
        line => line?,
    };
    let reference = line.definition.reference_of(view.into()).to_owned();
    match line_scored_by(state, &line.definition) {
        Ok(now) if now == inspection.scored_by => {}
        Err(error)
            if error.code != Code::ReferenceNotFound && error.code != Code::ModelNotFound =>
        {
            return Err(error);
        }
        _ => return Err(changed()),
    }
    // As large as an image may be: its size is known when it is in memory.
    answer_size::reserve(state, state.models.default_model().image_limits().max_bytes)?;
    let image = reviews.image(id, i64::from(view)).await;
    let (image, _) = image.map_err(LineError::from)?;
    let call = CompareCall {
        model: None,
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
