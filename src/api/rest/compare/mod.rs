//! `POST /v1/compare`: is a picture changed, where, and which statement about the change is true.

mod request;
mod statement_list;

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use utoipa::{IntoParams, ToSchema};

use self::request::{CompareForm, CompareRequest};
use super::error_responses::{InferenceErrors, LookupErrors};
use super::image_option_fields::ImageOptionsQuery;
use super::map_field::MapField;
use super::png::{Png, png_answer};
use super::request_headers::RequestHeaders;
use super::schemas::ImageFile;
use super::usage::Usage;
use crate::api::json_answer::Json;
use crate::api::{ApiError, AppState};
use crate::calls::{self, Changed, Compared, Judged, Lies, Place, UsedReference, Warning};
use crate::error_code::Code;

pub(super) use self::request::from_json;

/// One result for each image, in the request's order.
#[derive(Debug, Serialize, ToSchema)]
pub struct CompareResponse {
    model: String,
    reference: UsedReference,
    results: Vec<CompareResult>,
    usage: Usage,
    /// Notes about single images; absent if there are none.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(required = false)]
    warnings: Vec<Warning>,
}

/// What is said about one image.
#[derive(Debug, Serialize, ToSchema)]
struct CompareResult {
    /// Index of the image in the request.
    index: usize,
    changed: Changed,
    registration: Lies,
    /// Changed places, the strongest first, at most 20.
    regions: Vec<Place>,
    /// The statements, the best first.
    statements: Vec<Judged>,
    /// A PNG file in base64, as large as the image; null if it was not asked for, or if the model has no maps.
    #[schema(required, value_type = Option<String>)]
    map: Option<Png>,
}

/// Query parameters with a form or a raw image.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "describes the parameters that request.rs reads")]
struct CompareQuery {
    /// A stored reference, by name.
    reference: Option<String>,
    /// A text about the difference; may be repeated.
    statement: Option<Vec<String>>,
    /// What is true of the reference, for the statement before it.
    reference_text: Option<Vec<String>>,
    #[param(inline)]
    map: Option<MapField>,
    /// The model; the reference's, or the default one, if none is named.
    model: Option<String>,
    /// Whether texts longer than the model's context are truncated (the default) or refused.
    truncate: Option<bool>,
}

/// Compares images with a reference. With `Accept: image/png`, and one image, the answer is the map.
#[utoipa::path(
    post,
    path = "/v1/compare",
    operation_id = "compare",
    tag = "inference",
    params(RequestHeaders, CompareQuery, ImageOptionsQuery),
    request_body(
        content(
            (CompareRequest = "application/json"),
            (CompareForm = "multipart/form-data"),
            (ImageFile = "image/*"),
        )
    ),
    responses(
        (status = 200, description = "Whether, where and how each image is changed", content(
            (CompareResponse = "application/json"),
            (ImageFile = "image/png"),
        )),
        LookupErrors,
        InferenceErrors
    )
)]
pub async fn create(
    State(state): State<Arc<AppState>>,
    request: Request,
) -> Result<Response, ApiError> {
    let read = request::read(&state, request).await?;
    let as_picture = read.as_picture;
    let compared = calls::compare(&state, read.call).await?;
    if as_picture {
        return picture(compared);
    }
    Ok(Json(CompareResponse::from(compared)).into_response())
}

/// The map of the only image.
fn picture(compared: Compared) -> Result<Response, ApiError> {
    let only = compared.results.into_iter().next();
    let map = only.and_then(|one| one.map).ok_or_else(|| {
        let message = "the model has no maps: its bundle has neither features nor patch embeddings";
        ApiError::new(Code::ModelHasNoPatches, message).at("model")
    })?;
    Ok(png_answer(map))
}

impl From<Compared> for CompareResponse {
    fn from(compared: Compared) -> Self {
        let results = compared.results.into_iter().enumerate();
        let results = results.map(|(index, one)| CompareResult {
            index,
            changed: one.changed,
            registration: one.registration,
            regions: one.regions,
            statements: one.statements,
            map: one.map.map(Png),
        });
        Self {
            model: compared.model,
            reference: compared.reference,
            results: results.collect(),
            usage: compared.tokens.into(),
            warnings: compared.warnings,
        }
    }
}
