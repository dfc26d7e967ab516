//! `/v1/labelsets`: labels that are described once and asked for by name.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, Request, State};
use axum::http::StatusCode;
use serde::Serialize;
use serde_json::{Value, json};

use super::json_body;
use crate::api::calls;
use crate::api::{ApiError, AppState};
use crate::labelsets::{Definition, LabelSet};

/// A set as it is answered: without its example images, which can be large.
#[derive(Debug, Serialize)]
pub struct LabelSetObject {
    object: &'static str,
    name: String,
    created: u64,
    /// The model that its vectors are of.
    model: Option<String>,
    labels: Vec<LabelObject>,
    templates: Vec<String>,
    temperature: f32,
    threshold: Option<f32>,
}

#[derive(Debug, Serialize)]
struct LabelObject {
    label: String,
    texts: Vec<String>,
    /// How many example images it has.
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
            model: set.embedded().map(|embedded| embedded.model.clone()),
            labels: labels.collect(),
            templates: definition.templates.clone(),
            temperature: definition.temperature,
            threshold: definition.threshold,
        }
    }
}

/// All sets.
pub async fn list(State(state): State<Arc<AppState>>) -> Json<Value> {
    let sets = state.labelsets.all();
    let data: Vec<_> = sets
        .iter()
        .map(|set| LabelSetObject::from(&**set))
        .collect();
    Json(json!({"object": "list", "data": data}))
}

/// One set.
pub async fn one(
    State(state): State<Arc<AppState>>,
    Path(name): Path<String>,
) -> Result<Json<LabelSetObject>, ApiError> {
    Ok(Json(LabelSetObject::from(&*state.labelsets.get(&name)?)))
}

/// Makes a set (201) or replaces it (200).
pub async fn put(
    State(state): State<Arc<AppState>>,
    Path(name): Path<String>,
    request: Request,
) -> Result<(StatusCode, Json<LabelSetObject>), ApiError> {
    let (parts, body) = request.into_parts();
    let body = state.admission.read(&parts.headers, body).await?;
    let definition: Definition = json_body::parse(&body.bytes)?;
    let (set, is_new) = calls::put_labelset(&state, &name, definition).await?;
    let status = if is_new {
        StatusCode::CREATED
    } else {
        StatusCode::OK
    };
    Ok((status, Json(LabelSetObject::from(&*set))))
}

/// Removes a set.
pub async fn delete(
    State(state): State<Arc<AppState>>,
    Path(name): Path<String>,
) -> Result<Json<Value>, ApiError> {
    state.labelsets.delete(&name).await?;
    Ok(Json(
        json!({"object": "labelset", "name": name, "deleted": true}),
    ))
}
