//! `POST /v1/similarity`: compares every image with every text.

use std::sync::Arc;

use axum::extract::{Request, State};
use serde::Serialize;
use utoipa::{IntoParams, ToSchema};

use super::error_responses::{InferenceErrors, LookupErrors};
use super::image_option_fields::ImageOptionsQuery;
use super::images_and_texts::{ImagesAndTexts, SimilarityForm, SimilarityRequest};
use super::request_headers::RequestHeaders;
use super::schemas::ImageFile;
use super::usage::Usage;
use crate::api::json_answer::Json;
use crate::api::{ApiError, AppState};
use crate::calls::{self, SimilarityCall, Warning};

/// Images × texts.
#[derive(Debug, Serialize, ToSchema)]
pub struct SimilarityResponse {
    model: String,
    /// Cosines: a row for each image, a column for each text.
    scores: Vec<Vec<f32>>,
    /// The logits by the model's similarity rule.
    logits: Vec<Vec<f32>>,
    /// Softmax over an image's texts, or a sigmoid of each logit, as the model was trained.
    probabilities: Vec<Vec<f32>>,
    usage: Usage,
    /// Notes about single images; absent if there are none.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(required = false)]
    warnings: Vec<Warning>,
}

/// Query parameters with a form or a raw image.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(
    dead_code,
    reason = "describes the parameters that images_and_texts.rs reads"
)]
struct SimilarityQuery {
    /// A text; may be repeated.
    text: Option<Vec<String>>,
    /// The model; the default one if none is named.
    model: Option<String>,
    /// Whether texts longer than the model's context are truncated (the default) or refused.
    truncate: Option<bool>,
}

/// Compares images with texts.
#[utoipa::path(
    post,
    path = "/v1/similarity",
    operation_id = "similarity",
    tag = "inference",
    params(RequestHeaders, SimilarityQuery, ImageOptionsQuery),
    request_body(
        content(
            (SimilarityRequest = "application/json"),
            (SimilarityForm = "multipart/form-data"),
            (ImageFile = "image/*"),
        )
    ),
    responses((status = 200, description = "Scores", body = SimilarityResponse), LookupErrors, InferenceErrors)
)]
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
        usage: found.tokens.into(),
        warnings: found.warnings,
    }))
}
