//! `GET /v1/models`: what is served, in OpenAI's shape with our own facts beside it.

use std::sync::Arc;
use std::time::UNIX_EPOCH;

use axum::Json;
use axum::extract::{Path, State};
use serde_json::{Value, json};

use crate::api::{ApiError, AppState};
use crate::engine::Model;

/// All models, the default one first.
pub async fn list(State(state): State<Arc<AppState>>) -> Json<Value> {
    let models = state.models.all();
    let default = models.first().map_or("", |model| model.name());
    let data = models.iter().map(|model| describe(model, default));
    Json(json!({"object": "list", "data": data.collect::<Vec<_>>()}))
}

/// One model by name.
pub async fn one(
    State(state): State<Arc<AppState>>,
    Path(name): Path<String>,
) -> Result<Json<Value>, ApiError> {
    let default = state.models.default_model();
    Ok(Json(describe(&*state.model(Some(&name))?, default.name())))
}

/// What clients are told of a model. `default` is the name of the one that answers when none is named.
pub fn describe(model: &Model, default: &str) -> Value {
    let manifest = model.manifest();
    let created = model
        .loaded()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| since.as_secs());
    json!({
        "id": model.name(),
        "object": "model",
        "created": created,
        "owned_by": "clip-in",
        "default": model.name() == default,
        "description": manifest.description,
        "modalities": ["text", "image"],
        "embedding_dim": manifest.embedding_dim,
        "image_size": manifest.image.size,
        "context_length": manifest.text.context_length,
        "similarity": manifest.similarity,
        "precision": model.precision(),
        "precision_reason": model.precision_reason(),
        "device": model.device(),
        "provider": model.provider(),
    })
}
