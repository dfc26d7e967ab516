//! `POST /v1/similarity`: every image against every text.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Request, State};
use serde::Serialize;

use super::images_and_texts::ImagesAndTexts;
use super::usage::Usage;
use crate::api::{ApiError, AppState};
use crate::matching::{Scores, score};

/// Images × texts.
#[derive(Debug, Serialize)]
pub struct SimilarityResponse {
    model: String,
    /// Cosines.
    scores: Vec<Vec<f32>>,
    logits: Vec<Vec<f32>>,
    probabilities: Vec<Vec<f32>>,
    usage: Usage,
}

/// Compares images with texts.
pub async fn create(
    State(state): State<Arc<AppState>>,
    request: Request,
) -> Result<Json<SimilarityResponse>, ApiError> {
    let mut request = ImagesAndTexts::read(&state, request, "texts").await?;
    let model = state.model(request.model.as_deref())?;
    let (images, texts, cost) = request.embed(&model).await?;
    let Scores {
        cosines,
        logits,
        probabilities,
    } = score(&images, &texts, &model.manifest().similarity);
    let usage = Usage::new(cost.tokens, cost.truncated);
    Ok(Json(SimilarityResponse {
        model: model.name().to_owned(),
        scores: cosines,
        logits,
        probabilities,
        usage,
    }))
}
