//! `POST /v1/similarity`: every image against every text.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Request, State};
use serde::Serialize;

use super::images_and_texts::ImagesAndTexts;
use super::usage::Usage;
use crate::api::calls::{self, SimilarityCall};
use crate::api::{ApiError, AppState};

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
    let request = ImagesAndTexts::read(&state, request, "texts").await?;
    let call = SimilarityCall {
        model: request.model,
        images: request.images,
        texts: request.texts,
        options: request.options,
    };
    let found = calls::similarity(&state, call).await?;
    Ok(Json(SimilarityResponse {
        model: found.model,
        scores: found.scores.cosines,
        logits: found.scores.logits,
        probabilities: found.scores.probabilities,
        usage: found.cost.into(),
    }))
}
