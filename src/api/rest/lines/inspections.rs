//! Inspects parts, and shows what was decided.

use std::sync::Arc;

use axum::extract::{Path, Query, Request, State};
use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use utoipa::{IntoParams, ToSchema};

use super::inspection_form::{InspectionForm, InspectionHeaders, InspectionQuery, read};
use super::spliced::with_fields;
use super::store::reviews;
use super::verdicts::VerdictObject;
use super::who;
use crate::api::answer_size::{self, of_text};
use crate::api::chunks::Chunks;
use crate::api::contract::{ErrorBody, request_options};
use crate::api::json_answer::Json;
use crate::api::rest::error_responses::{InferenceErrors, LookupErrors, RoleErrors, StoreErrors};
use crate::api::rest::image_option_fields::ImageOptionsQuery;
use crate::api::rest::png::png_answer;
use crate::api::rest::request_headers::RequestHeaders;
use crate::api::rest::schemas::ImageFile;
use crate::api::{ApiError, AppState, Caller};
use crate::calls::{self, InspectionAnswer, MapKind};
use crate::engine::Lane;
use crate::error_code::Code;
use crate::lines::LineError;

/// An inspection as it is answered.
#[derive(Serialize, ToSchema)]
pub struct InspectionCreated {
    #[schema(inline)]
    #[serde(flatten)]
    inspection: InspectionAnswer,
    /// Whether the answer is that of an earlier request with the same `idempotency-key`.
    duplicate: bool,
    /// Whether the inspection waits in a file on the server's disk, because the database is away: until it is back, the
    /// inspection cannot be looked up.
    queued: bool,
}

#[derive(Serialize)]
struct Stored {
    duplicate: bool,
    queued: bool,
}

/// An inspection with what people said about it.
#[derive(Serialize, ToSchema)]
pub struct InspectionDetail {
    #[schema(inline)]
    #[serde(flatten)]
    inspection: InspectionAnswer,
    /// The last verdict that was not undone: `ok`, `ng`, `unsure`, or null.
    #[schema(required)]
    verdict: Option<String>,
    /// All verdicts and their undoing, the oldest first.
    verdicts: Vec<VerdictObject>,
}

#[derive(Serialize)]
struct Verdicts {
    verdict: Option<String>,
    verdicts: Vec<VerdictObject>,
}

/// Inspects a part. The answer is on disk, with the images, before it is given.
#[utoipa::path(
    post,
    path = "/v1/lines/{line}/inspections",
    operation_id = "inspect",
    tag = "lines",
    params(
        ("line" = String, Path, description = "Name of the line"),
        RequestHeaders, InspectionHeaders, InspectionQuery, ImageOptionsQuery
    ),
    request_body(
        content(
            (ImageFile = "image/*"),
            (InspectionForm = "multipart/form-data"),
        )
    ),
    responses(
        (status = 200, description = "What the line says about the part", body = InspectionCreated),
        (status = 409, description = "The idempotency key came with other images before", body = ErrorBody),
        LookupErrors,
        InferenceErrors,
        RoleErrors
    )
)]
pub async fn create(
    State(state): State<Arc<AppState>>,
    Path(line): Path<String>,
    request: Request,
) -> Result<Json<Box<RawValue>>, ApiError> {
    let read = read(&state, request).await?;
    let done = calls::inspect(&state, &line, read.call).await?;
    let stored = Stored {
        duplicate: done.duplicate,
        queued: done.queued,
    };
    Ok(Json(with_fields(&done.answer, &stored)?))
}

/// Returns an inspection, with all verdicts about it.
#[utoipa::path(
    get,
    path = "/v1/inspections/{id}",
    operation_id = "get_inspection",
    tag = "lines",
    params(("id" = String, Path, description = "Id of the inspection")),
    responses((status = 200, description = "The inspection", body = InspectionDetail), LookupErrors, RoleErrors, StoreErrors)
)]
pub async fn one(
    State(state): State<Arc<AppState>>,
    Path(id): Path<String>,
) -> Result<Json<Box<RawValue>>, ApiError> {
    let reviews = reviews(&state)?;
    let inspection = reviews.inspection(&id).await.map_err(LineError::from)?;
    let verdicts = reviews.verdicts(&id).await.map_err(LineError::from)?;
    let verdicts: Vec<_> = verdicts.into_iter().map(VerdictObject::from).collect();
    let bytes = verdicts.iter().map(VerdictObject::bytes).sum::<usize>();
    answer_size::reserve(&state, of_text(inspection.answer.len()) + bytes)?;
    let more = Verdicts {
        verdict: inspection.verdict,
        verdicts,
    };
    Ok(Json(with_fields(&inspection.answer, &more)?))
}

/// Which image of an inspection.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct View {
    /// Index of the image, from 0.
    #[serde(default)]
    #[param(minimum = 0, maximum = 15, default = 0)]
    view: u8,
}

/// Returns an image of an inspection, as it was sent.
#[utoipa::path(
    get,
    path = "/v1/inspections/{id}/image",
    operation_id = "get_inspection_image",
    tag = "lines",
    params(("id" = String, Path, description = "Id of the inspection"), View),
    responses(
        (status = 200, description = "The image", body = ImageFile, content_type = "image/*"),
        (status = 410, description = "The image was deleted", body = ErrorBody),
        LookupErrors,
        RoleErrors,
        StoreErrors
    )
)]
pub async fn image(
    State(state): State<Arc<AppState>>,
    Path(id): Path<String>,
    view: Result<Query<View>, axum::extract::rejection::QueryRejection>,
) -> Result<Response, ApiError> {
    let Query(view) = view.map_err(|error| ApiError::new(Code::InvalidQuery, error.body_text()))?;
    let reviews = reviews(&state)?;
    // As large as an image may be: its size is known when it is in memory.
    let most = state.models.default_model().image_limits().max_bytes;
    answer_size::reserve(&state, most)?;
    let found = reviews.image(&id, i64::from(view.view)).await;
    let (image, kind) = found.map_err(LineError::from)?;
    crate::api::held::shrink_to(image.len());
    Ok(of_image(image, &kind))
}

/// An image file as an answer.
fn of_image(image: Bytes, kind: &str) -> Response {
    let mut response = Chunks::of(image).into_body().into_response();
    let kind = HeaderValue::from_str(kind);
    let kind = kind.unwrap_or(HeaderValue::from_static("application/octet-stream"));
    response.headers_mut().insert(header::CONTENT_TYPE, kind);
    response
}

/// Which map of an inspection.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct MapOfView {
    /// Index of the image, from 0.
    #[serde(default)]
    #[param(minimum = 0, maximum = 15, default = 0)]
    view: u8,
    /// What the PNG shows: `overlay` (the image under the colours, the default), `colours` or `values`.
    #[param(inline)]
    map: Option<MapKind>,
}

/// Draws the map of an image of an inspection again: where it differs from the line's reference. As long as the line compares
/// with the reference and the model that decided, it is the map of then.
#[utoipa::path(
    get,
    path = "/v1/inspections/{id}/map",
    operation_id = "get_inspection_map",
    tag = "lines",
    params(("id" = String, Path, description = "Id of the inspection"), MapOfView, RequestHeaders),
    responses(
        (status = 200, description = "The map", body = ImageFile, content_type = "image/png"),
        (status = 409, description = "The line has another reference or model since", body = ErrorBody),
        (status = 410, description = "The image was deleted", body = ErrorBody),
        LookupErrors,
        InferenceErrors,
        RoleErrors
    )
)]
pub async fn map(
    State(state): State<Arc<AppState>>,
    Path(id): Path<String>,
    asked: Result<Query<MapOfView>, axum::extract::rejection::QueryRejection>,
    request: Request,
) -> Result<Response, ApiError> {
    let Query(asked) =
        asked.map_err(|error| ApiError::new(Code::InvalidQuery, error.body_text()))?;
    let caller = request.extensions().get::<Caller>();
    let options = request_options::read(request.headers(), caller, Lane::Interactive)?;
    let kind = asked.map.unwrap_or(MapKind::Overlay);
    let map = calls::map_of(&state, &id, asked.view, kind, options).await?;
    Ok(png_answer(map))
}

/// Which reference image of an inspection.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct ReferenceOfView {
    /// Index of the inspection's image, from 0.
    #[serde(default)]
    #[param(minimum = 0, maximum = 15, default = 0)]
    view: u8,
    /// The image that it would be compared with now, if the line has another reference since.
    #[serde(default)]
    #[param(default = false, required = false)]
    current: bool,
}

/// Returns the image that an image of an inspection was compared with, as long as the line compares with it.
#[utoipa::path(
    get,
    path = "/v1/inspections/{id}/reference",
    operation_id = "get_inspection_reference",
    tag = "lines",
    params(("id" = String, Path, description = "Id of the inspection"), ReferenceOfView),
    responses(
        (status = 200, description = "The first image of the reference", body = ImageFile, content_type = "image/*"),
        (status = 409, description = "The line has another reference or model since", body = ErrorBody),
        LookupErrors,
        RoleErrors,
        StoreErrors
    )
)]
pub async fn reference(
    State(state): State<Arc<AppState>>,
    Path(id): Path<String>,
    asked: Result<Query<ReferenceOfView>, axum::extract::rejection::QueryRejection>,
) -> Result<Response, ApiError> {
    let Query(asked) =
        asked.map_err(|error| ApiError::new(Code::InvalidQuery, error.body_text()))?;
    let found = calls::reference_of(&state, &id, asked.view, asked.current).await;
    let (image, kind) = found?;
    answer_size::reserve(&state, image.len())?;
    Ok(of_image(image, kind))
}

/// The result of deleting the images of an inspection.
#[derive(Debug, Serialize, ToSchema)]
pub struct DeletedImages {
    id: String,
    /// Number of images that were there.
    images: usize,
}

/// Deletes the images of an inspection. What was decided stays, and the audit trail says who deleted them.
#[utoipa::path(
    delete,
    path = "/v1/inspections/{id}/image",
    operation_id = "delete_inspection_image",
    tag = "lines",
    params(("id" = String, Path, description = "Id of the inspection")),
    responses((status = 200, description = "The images are gone", body = DeletedImages), LookupErrors, RoleErrors, StoreErrors)
)]
pub async fn delete_image(
    State(state): State<Arc<AppState>>,
    Path(id): Path<String>,
    request: Request,
) -> Result<Json<DeletedImages>, ApiError> {
    let deleted = reviews(&state)?.delete_images_of(&id, &who(&request)).await;
    let images = deleted.map_err(LineError::from)?.images;
    Ok(Json(DeletedImages { id, images }))
}
