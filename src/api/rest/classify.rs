//! `POST /v1/classify`: selects labels for images.

use std::sync::Arc;

use axum::extract::{Request, State};
use serde::Serialize;
use utoipa::{IntoParams, ToSchema};

use super::error_responses::{InferenceErrors, LookupErrors};
use super::image_option_fields::ImageOptionsQuery;
use super::images_and_texts::{ClassifyForm, ClassifyRequest, ImagesAndTexts};
use super::request_headers::RequestHeaders;
use super::schemas::ImageFile;
use super::usage::Usage;
use crate::api::json_answer::Json;
use crate::api::{ApiError, AppState};
use crate::calls::{self, ClassifyCall, Decision, LabelScore, Labels, Warning};

/// One result per image, in the request's order.
#[derive(Debug, Serialize, ToSchema)]
pub struct ClassifyResponse {
    model: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    labelset: Option<String>,
    results: Vec<ImageResult>,
    usage: Usage,
    /// Notes about single images; absent if there are none.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(required = false)]
    warnings: Vec<Warning>,
}

#[derive(Debug, Serialize, ToSchema)]
struct ImageResult {
    /// Index of the image in the request.
    index: usize,
    /// Best first.
    labels: Vec<LabelScore>,
    /// The decision of a label set.
    #[serde(skip_serializing_if = "Option::is_none")]
    decision: Option<Decision>,
}

/// Query parameters with a form or a raw image.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(
    dead_code,
    reason = "describes the parameters that images_and_texts.rs reads"
)]
struct ClassifyQuery {
    /// A label; may be repeated.
    label: Option<Vec<String>>,
    /// A label set, instead of labels.
    labelset: Option<String>,
    /// The model; the label set's, or the default one, if none is named.
    model: Option<String>,
    /// Whether labels longer than the model's context are truncated (the default) or refused.
    truncate: Option<bool>,
}

/// Ranks labels for each image.
#[utoipa::path(
    post,
    path = "/v1/classify",
    operation_id = "classify",
    tag = "inference",
    params(RequestHeaders, ClassifyQuery, ImageOptionsQuery),
    request_body(
        content(
            (ClassifyRequest = "application/json"),
            (ClassifyForm = "multipart/form-data"),
            (ImageFile = "image/*"),
        )
    ),
    responses((status = 200, description = "Labels, best first", body = ClassifyResponse), LookupErrors, InferenceErrors)
)]
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
        usage: found.tokens.into(),
        warnings: found.warnings,
    }))
}
