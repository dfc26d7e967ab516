//! `/v1/references`: images of good parts that are learnt once and used by name.

use std::sync::Arc;

use axum::extract::{Path, Request, State};
use axum::http::StatusCode;
use serde::Serialize;
use utoipa::ToSchema;

use super::error_responses::{InferenceErrors, LookupErrors};
use super::reference_form::{self, ReferenceForm, ReferenceRequest};
use super::request_headers::RequestHeaders;
use super::schemas::ImageFile;
use crate::api::answer_size::{self, NUMBER, OBJECT};
use crate::api::contract::ErrorBody;
use crate::api::json_answer::Json;
use crate::api::{ApiError, AppState};
use crate::calls;
use crate::error_code::Code;
use crate::inspection::masks::Polygon;
use crate::preprocess::{Alpha, ValueBits};
use crate::references::{Definition, Reference};

/// A reference in an answer: without its images, which can be large.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Reference)]
pub struct ReferenceObject {
    object: &'static str,
    name: String,
    /// 1 for the first one under this name, and one more for each change.
    version: u64,
    /// Time of this version, in seconds since 1970.
    created: u64,
    /// The model that learnt it last.
    #[schema(required)]
    model: Option<String>,
    /// Number of its images.
    images: usize,
    /// Bytes of its images.
    bytes: usize,
    /// Width and height of its first image, in pixels.
    #[schema(required, value_type = Option<Vec<usize>>)]
    size: Option<[usize; 2]>,
    /// What is compared; everything if there are none.
    #[schema(value_type = Vec<Vec<[f64; 2]>>)]
    regions: Vec<Polygon>,
    /// What is not compared.
    #[schema(value_type = Vec<Vec<[f64; 2]>>)]
    ignore: Vec<Polygon>,
    /// Whether a mask leaves out more.
    mask: bool,
    /// The side of a square with as many pixels as pictures are compared with; the model's own without it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 128, maximum = 960)]
    resolution: Option<u32>,
    /// Width and height, in pixels, at which pictures are compared.
    #[schema(required, value_type = Option<Vec<usize>>)]
    compared_size: Option<[usize; 2]>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<u8>, minimum = 8, maximum = 16)]
    value_bits: Option<ValueBits>,
    #[serde(skip_serializing_if = "Option::is_none")]
    exif_orientation: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(inline)]
    alpha: Option<Alpha>,
}

/// All references.
#[derive(Debug, Serialize, ToSchema)]
pub struct ReferenceList {
    object: &'static str,
    data: Vec<ReferenceObject>,
}

/// The result of deleting a reference.
#[derive(Debug, Serialize, ToSchema)]
pub struct DeletedReference {
    object: &'static str,
    name: String,
    deleted: bool,
}

impl From<&Reference> for ReferenceObject {
    fn from(reference: &Reference) -> Self {
        let definition = &reference.definition;
        let learnt = reference.last_computed();
        let frame = learnt.as_ref().map(|learnt| learnt.frame);
        let pair = |(width, height): (usize, usize)| [width, height];
        Self {
            object: "reference",
            name: reference.name.clone(),
            version: reference.version,
            created: reference.created,
            model: learnt.map(|learnt| learnt.model.clone()),
            images: definition.images.len(),
            bytes: definition.images.iter().map(|image| image.0.len()).sum(),
            size: frame.map(|frame| pair(frame.posted)),
            regions: definition.places.regions.clone(),
            ignore: definition.places.ignore.clone(),
            mask: definition.places.mask.is_some(),
            resolution: definition.resolution,
            compared_size: frame.map(|frame| pair(frame.input)),
            value_bits: definition.image_options.value_bits,
            exif_orientation: definition.image_options.exif_orientation,
            alpha: definition.image_options.alpha,
        }
    }
}

/// Bytes of a reference in an answer.
fn size_of_answer(definition: &Definition) -> usize {
    let places = &definition.places;
    let corners = places.regions.iter().chain(&places.ignore).map(Vec::len);
    // Numbers of float64 may have more digits than those of embeddings.
    3 * OBJECT + corners.sum::<usize>() * 4 * NUMBER
}

/// Lists all references.
#[utoipa::path(
    get,
    path = "/v1/references",
    operation_id = "list_references",
    tag = "references",
    responses((status = 200, description = "All references", body = ReferenceList), LookupErrors)
)]
pub async fn list(State(state): State<Arc<AppState>>) -> Result<Json<ReferenceList>, ApiError> {
    let all = state.references.all();
    let bytes = all.iter().map(|one| size_of_answer(&one.definition)).sum();
    answer_size::reserve(&state, bytes)?;
    let data = all.iter().map(|one| ReferenceObject::from(&**one));
    Ok(Json(ReferenceList {
        object: "list",
        data: data.collect(),
    }))
}

/// Returns one reference.
#[utoipa::path(
    get,
    path = "/v1/references/{name}",
    operation_id = "get_reference",
    tag = "references",
    params(("name" = String, Path, description = "Name of the reference")),
    responses((status = 200, description = "The reference", body = ReferenceObject), LookupErrors)
)]
pub async fn one(
    State(state): State<Arc<AppState>>,
    Path(name): Path<String>,
) -> Result<Json<ReferenceObject>, ApiError> {
    let reference = state.references.get(&name)?;
    answer_size::reserve(&state, size_of_answer(&reference.definition))?;
    Ok(Json(ReferenceObject::from(&*reference)))
}

/// Creates a reference (201) or replaces it (200).
#[utoipa::path(
    put,
    path = "/v1/references/{name}",
    operation_id = "put_reference",
    tag = "references",
    params(
        ("name" = String, Path, description = "1 to 64 ASCII letters, digits, -, _ and ., not beginning with a .", pattern = "^[A-Za-z0-9_-][A-Za-z0-9._-]{0,63}$"),
        RequestHeaders
    ),
    request_body(
        content(
            (ReferenceRequest = "application/json"),
            (ReferenceForm = "multipart/form-data"),
            (ImageFile = "image/*"),
        )
    ),
    responses(
        (status = 200, description = "The reference was replaced", body = ReferenceObject),
        (status = 201, description = "The reference was created", body = ReferenceObject),
        (status = 409, description = "All references together have their maximum size", body = ErrorBody),
        LookupErrors,
        InferenceErrors
    )
)]
pub async fn put(
    State(state): State<Arc<AppState>>,
    Path(name): Path<String>,
    request: Request,
) -> Result<(StatusCode, Json<ReferenceObject>), ApiError> {
    let read = reference_form::read(&state, request).await?;
    answer_size::reserve(&state, size_of_answer(&read.definition))?;
    let (definition, images) = (read.definition, read.images);
    let put = calls::put_reference(&state, &name, definition, images, read.options).await;
    let (reference, is_new) = put?;
    let status = if is_new {
        StatusCode::CREATED
    } else {
        StatusCode::OK
    };
    Ok((status, Json(ReferenceObject::from(&*reference))))
}

/// Adds images of good parts to a reference, which gets the next version.
#[utoipa::path(
    post,
    path = "/v1/references/{name}/images",
    operation_id = "add_to_reference",
    tag = "references",
    params(("name" = String, Path, description = "Name of the reference"), RequestHeaders),
    request_body(
        content(
            (ReferenceRequest = "application/json"),
            (ReferenceForm = "multipart/form-data"),
            (ImageFile = "image/*"),
        )
    ),
    responses(
        (status = 200, description = "The reference with the images", body = ReferenceObject),
        (status = 409, description = "All references together have their maximum size", body = ErrorBody),
        LookupErrors,
        InferenceErrors
    )
)]
pub async fn add(
    State(state): State<Arc<AppState>>,
    Path(name): Path<String>,
    request: Request,
) -> Result<Json<ReferenceObject>, ApiError> {
    let read = reference_form::read(&state, request).await?;
    let known = state.references.get(&name)?;
    answer_size::reserve(&state, size_of_answer(&known.definition))?;
    if read.definition != Definition::default() {
        let message = "only images can be added; model, places and image options are those of the reference, \
                       which PUT /v1/references/{name} replaces";
        return Err(ApiError::new(Code::InvalidRequest, message));
    }
    let added = calls::add_to_reference(&state, &name, read.images, read.options).await?;
    Ok(Json(ReferenceObject::from(&*added)))
}

/// Deletes a reference.
#[utoipa::path(
    delete,
    path = "/v1/references/{name}",
    operation_id = "delete_reference",
    tag = "references",
    params(("name" = String, Path, description = "Name of the reference")),
    responses((status = 200, description = "The reference was deleted", body = DeletedReference), LookupErrors)
)]
pub async fn delete(
    State(state): State<Arc<AppState>>,
    Path(name): Path<String>,
) -> Result<Json<DeletedReference>, ApiError> {
    state.references.delete(&name).await?;
    Ok(Json(DeletedReference {
        object: "reference",
        name,
        deleted: true,
    }))
}
