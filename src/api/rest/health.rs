//! `/healthz`, `/readyz`, `/metrics`.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};

use crate::api::{ApiError, AppState};

/// The process lives and its event loop turns. Says nothing of the model: that is `/readyz`.
pub async fn live() -> Json<Value> {
    Json(json!({"status": "alive"}))
}

/// Whether requests will be answered, and by what device.
pub async fn ready(State(state): State<Arc<AppState>>) -> Response {
    let trouble = state.trouble();
    let models = state.models.all();
    let models = models.iter().map(|model| {
        json!({
            "name": model.name(),
            "ready": model.health().trouble().is_none(),
            "precision": model.precision(),
            "device": model.device(),
            "provider": model.provider(),
            "workers": model.health().workers(),
        })
    });
    let status = if trouble.is_none() {
        StatusCode::OK
    } else {
        StatusCode::SERVICE_UNAVAILABLE
    };
    let body = json!({
        "status": if trouble.is_none() { "ready" } else { "not ready" },
        "reason": trouble,
        "models": models.collect::<Vec<_>>(),
    });
    (status, Json(body)).into_response()
}

/// Prometheus' text format.
pub async fn metrics(State(state): State<Arc<AppState>>) -> Result<Response, ApiError> {
    state.trouble(); // brings `clip_in_ready` up to date
    let text = state.metrics.exposition().map_err(|e| {
        ApiError::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            "internal_error",
            format!("metrics are inconsistent: {e}"),
        )
    })?;
    Ok((
        [(
            header::CONTENT_TYPE,
            "text/plain; version=0.0.4; charset=utf-8",
        )],
        text,
    )
        .into_response())
}
