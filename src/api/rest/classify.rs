//! `POST /v1/classify`: which of these labels is it?

use std::sync::Arc;

use axum::Json;
use axum::extract::{Request, State};
use serde::Serialize;

use super::images_and_texts::ImagesAndTexts;
use super::usage::Usage;
use crate::api::calls::{self, ClassifyCall, Decision, LabelScore, Labels};
use crate::api::{ApiError, AppState};

/// One result an image, in the request's order.
#[derive(Debug, Serialize)]
pub struct ClassifyResponse {
    model: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    labelset: Option<String>,
    results: Vec<ImageResult>,
    usage: Usage,
}

#[derive(Debug, Serialize)]
struct ImageResult {
    /// Position of the image in the request.
    index: usize,
    /// Best first.
    labels: Vec<LabelScore>,
    /// What a label set decides.
    #[serde(skip_serializing_if = "Option::is_none")]
    decision: Option<Decision>,
}

/// Ranks labels for each image.
pub async fn create(
    State(state): State<Arc<AppState>>,
    request: Request,
) -> Result<Json<ClassifyResponse>, ApiError> {
    let request = ImagesAndTexts::read(&state, request, "labels").await?;
    let call = ClassifyCall {
        model: request.model,
        images: request.images,
        labels: match request.labelset {
            Some(name) => Labels::Set(name),
            None => Labels::Inline(request.texts),
        },
        options: request.options,
    };
    let found = calls::classify(&state, call).await?;
    let results = found.results.into_iter().enumerate();
    Ok(Json(ClassifyResponse {
        model: found.model,
        labelset: found.labelset,
        results: results
            .map(|(index, result)| ImageResult {
                index,
                labels: result.labels,
                decision: result.decision,
            })
            .collect(),
        usage: found.cost.into(),
    }))
}
