//! `/v1/labelsets`: labels that are described once and used by name.

use std::sync::Arc;

use axum::extract::{Path, Request, State};
use axum::http::StatusCode;
use serde::Serialize;
use utoipa::ToSchema;

use super::error_responses::{InferenceErrors, LookupErrors};
use super::json_body;
use crate::api::answer_size::{self, OBJECT, of_text};
use crate::api::contract::ErrorBody;
use crate::api::json_answer::Json;
use crate::api::{ApiError, AppState};
use crate::bounded;
use crate::calls;
use crate::labelsets::{Definition, LabelSet};
use crate::named::Storable;
use crate::preprocess::{Alpha, ValueBits};

/// A set in an answer: without its example images, which can be large.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = LabelSet)]
pub struct LabelSetObject {
    object: &'static str,
    name: String,
    /// Time of the PUT, in seconds since 1970.
    created: u64,
    /// The model of its vectors.
    #[schema(required)]
    model: Option<String>,
    labels: Vec<LabelObject>,
    templates: Vec<String>,
    temperature: f32,
    #[schema(required)]
    threshold: Option<f32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<u8>, minimum = 8, maximum = 16)]
    value_bits: Option<ValueBits>,
    #[serde(skip_serializing_if = "Option::is_none")]
    exif_orientation: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(inline)]
    alpha: Option<Alpha>,
}

/// All label sets.
#[derive(Debug, Serialize, ToSchema)]
pub struct LabelSetList {
    object: &'static str,
    data: Vec<LabelSetObject>,
}

/// The result of deleting a label set.
#[derive(Debug, Serialize, ToSchema)]
pub struct DeletedLabelSet {
    object: &'static str,
    name: String,
    deleted: bool,
}

#[derive(Debug, Serialize, ToSchema)]
#[schema(as = LabelOfSet)]
struct LabelObject {
    label: String,
    texts: Vec<String>,
    /// Number of example images.
    images: usize,
}

impl From<&LabelSet> for LabelSetObject {
    fn from(set: &LabelSet) -> Self {
        let definition = &set.definition;
        let labels = definition.labels.iter().map(|label| LabelObject {
            label: label.label.clone(),
            texts: label.texts.clone(),
            images: label.images.len(),
        });
        Self {
            object: "labelset",
            name: set.name.clone(),
            created: set.created,
            model: set.last_computed().map(|embedded| embedded.model.clone()),
            labels: labels.collect(),
            templates: definition.templates.clone(),
            temperature: definition.temperature,
            threshold: definition.threshold,
            value_bits: definition.value_bits,
            exif_orientation: definition.exif_orientation,
            alpha: definition.alpha,
        }
    }
}

/// Bytes of a set in an answer.
fn size_of_answer(set: &LabelSet) -> usize {
    size_of_definition(&set.definition)
}

fn size_of_definition(definition: &Definition) -> usize {
    let labels = definition.labels.iter().map(|label| {
        let texts = label.texts.iter().map(|text| OBJECT + of_text(text.len()));
        OBJECT + of_text(label.label.len()) + texts.sum::<usize>()
    });
    let templates = definition.templates.iter();
    let templates = templates.map(|text| OBJECT + of_text(text.len()));
    OBJECT + labels.sum::<usize>() + templates.sum::<usize>()
}

/// Lists all sets.
#[utoipa::path(
    get,
    path = "/v1/labelsets",
    operation_id = "list_labelsets",
    tag = "labelsets",
    responses((status = 200, description = "All label sets", body = LabelSetList), LookupErrors)
)]
pub async fn list(State(state): State<Arc<AppState>>) -> Result<Json<LabelSetList>, ApiError> {
    let sets = state.labelsets.all();
    let bytes = sets.iter().map(|set| size_of_answer(set)).sum();
    answer_size::reserve(&state, bytes)?;
    let data = sets.iter().map(|set| LabelSetObject::from(&**set));
    Ok(Json(LabelSetList {
        object: "list",
        data: data.collect(),
    }))
}

/// Returns one set.
#[utoipa::path(
    get,
    path = "/v1/labelsets/{name}",
    operation_id = "get_labelset",
    tag = "labelsets",
    params(("name" = String, Path, description = "Name of the set")),
    responses((status = 200, description = "The label set", body = LabelSetObject), LookupErrors)
)]
pub async fn one(
    State(state): State<Arc<AppState>>,
    Path(name): Path<String>,
) -> Result<Json<LabelSetObject>, ApiError> {
    let set = state.labelsets.get(&name)?;
    answer_size::reserve(&state, size_of_answer(&set))?;
    Ok(Json(LabelSetObject::from(&*set)))
}

/// Creates a set (201) or replaces it (200).
#[utoipa::path(
    put,
    path = "/v1/labelsets/{name}",
    operation_id = "put_labelset",
    tag = "labelsets",
    params(("name" = String, Path, description = "1 to 64 ASCII letters, digits, -, _ and ., not beginning with a .", pattern = "^[A-Za-z0-9_-][A-Za-z0-9._-]{0,63}$")),
    request_body = Definition,
    responses(
        (status = 200, description = "The label set was replaced", body = LabelSetObject),
        (status = 201, description = "The label set was created", body = LabelSetObject),
        (status = 409, description = "The maximum number of label sets is reached", body = ErrorBody),
        LookupErrors,
        InferenceErrors
    )
)]
pub async fn put(
    State(state): State<Arc<AppState>>,
    Path(name): Path<String>,
    request: Request,
) -> Result<(StatusCode, Json<LabelSetObject>), ApiError> {
    let (parts, body) = request.into_parts();
    let mut body = state.admission.read_unpacked(&parts.headers, body).await?;
    // Names, descriptions and templates: none of the three may exceed the maximum number of items of a request.
    let most = state.max_items.saturating_mul(3);
    let definition: Definition = bounded::within(most, || json_body::parse(&body.bytes))?;
    body.was_parsed();
    // While the set is embedded, its items are in memory twice.
    body.grows_to(definition.bytes().saturating_mul(2))?;
    // The answer contains the definition without the images.
    answer_size::reserve(&state, size_of_definition(&definition))?;
    let (set, is_new) = calls::put_labelset(&state, &name, definition).await?;
    let status = if is_new {
        StatusCode::CREATED
    } else {
        StatusCode::OK
    };
    Ok((status, Json(LabelSetObject::from(&*set))))
}

/// Deletes a set.
#[utoipa::path(
    delete,
    path = "/v1/labelsets/{name}",
    operation_id = "delete_labelset",
    tag = "labelsets",
    params(("name" = String, Path, description = "Name of the set")),
    responses((status = 200, description = "The label set was deleted", body = DeletedLabelSet), LookupErrors)
)]
pub async fn delete(
    State(state): State<Arc<AppState>>,
    Path(name): Path<String>,
) -> Result<Json<DeletedLabelSet>, ApiError> {
    state.labelsets.delete(&name).await?;
    Ok(Json(DeletedLabelSet {
        object: "labelset",
        name,
        deleted: true,
    }))
}
