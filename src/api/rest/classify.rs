//! `POST /v1/classify`: which of these labels is it?

use std::sync::Arc;

use axum::Json;
use axum::extract::{Request, State};
use serde::Serialize;

use super::images_and_texts::ImagesAndTexts;
use super::usage::Usage;
use crate::api::{ApiError, AppState};
use crate::matching::{rank, score};

/// One result an image, in the request's order.
#[derive(Debug, Serialize)]
pub struct ClassifyResponse {
    model: String,
    results: Vec<ImageResult>,
    usage: Usage,
}

#[derive(Debug, Serialize)]
struct ImageResult {
    /// Position of the image in the request.
    index: usize,
    /// Best first.
    labels: Vec<LabelScore>,
}

#[derive(Debug, Serialize)]
struct LabelScore {
    label: String,
    /// Position of the label in the request.
    index: usize,
    /// Probability: the scores of an image add up to 1 for a softmax model.
    score: f32,
    /// Cosine.
    similarity: f32,
}

/// Ranks labels for each image.
pub async fn create(
    State(state): State<Arc<AppState>>,
    request: Request,
) -> Result<Json<ClassifyResponse>, ApiError> {
    let mut request = ImagesAndTexts::read(&state, request, "labels").await?;
    let model = state.model(request.model.as_deref())?;
    let (images, labels, cost) = request.embed(&model).await?;
    let scores = score(&images, &labels, &model.manifest().similarity);
    let rows = scores.cosines.iter().zip(&scores.probabilities).enumerate();
    let results = rows.map(|(index, (cosines, probabilities))| {
        let ranked = rank(cosines, probabilities)
            .into_iter()
            .map(|label| LabelScore {
                label: request.texts[label.index].clone(),
                index: label.index,
                score: label.score,
                similarity: label.cosine,
            });
        ImageResult {
            index,
            labels: ranked.collect(),
        }
    });
    let results = results.collect();
    Ok(Json(ClassifyResponse {
        model: model.name().to_owned(),
        results,
        usage: Usage::new(cost.tokens, cost.truncated),
    }))
}
