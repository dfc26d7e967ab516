//! `/healthz`, `/readyz`, `/metrics`.

use std::sync::Arc;

use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use utoipa::ToSchema;

use crate::api::contract::ErrorBody;
use crate::api::json_answer::Json;
use crate::api::{ApiError, AppState};
use crate::error_code::Code;

/// A running process.
#[derive(Debug, Serialize, ToSchema)]
pub struct Alive {
    status: &'static str,
}

/// Whether requests will be answered.
#[derive(Debug, Serialize, ToSchema)]
pub struct Readiness {
    /// ready, or not ready
    status: &'static str,
    /// Why it is not ready.
    #[schema(required)]
    reason: Option<String>,
    models: Vec<ModelReadiness>,
}

/// Whether a model is ready, and on which device.
#[derive(Debug, Serialize, ToSchema)]
struct ModelReadiness {
    name: String,
    ready: bool,
    precision: String,
    device: String,
    provider: &'static str,
    /// Number of running worker threads.
    workers: usize,
}

/// The process is running and its event loop responds. This does not depend on the model: see `/readyz`.
#[utoipa::path(
    get,
    path = "/healthz",
    operation_id = "alive",
    tag = "monitoring",
    security(()),
    responses((status = 200, description = "The process runs", body = Alive))
)]
pub async fn live() -> Json<Alive> {
    Json(Alive { status: "alive" })
}

/// Whether requests will be answered, and on which device.
#[utoipa::path(
    get,
    path = "/readyz",
    operation_id = "ready",
    tag = "monitoring",
    security(()),
    responses(
        (status = 200, description = "Requests will be answered", body = Readiness),
        (status = 503, description = "Requests will not be answered", body = Readiness)
    )
)]
pub async fn ready(State(state): State<Arc<AppState>>) -> Response {
    let reason = state.not_ready_reason();
    let models = state.models.all();
    let models = models.iter().map(|model| ModelReadiness {
        name: model.name().to_owned(),
        ready: model.health().not_ready_reason().is_none(),
        precision: model.precision().to_owned(),
        device: model.device(),
        provider: model.provider(),
        workers: model.health().workers(),
    });
    let status = if reason.is_none() {
        StatusCode::OK
    } else {
        StatusCode::SERVICE_UNAVAILABLE
    };
    let body = Readiness {
        status: if reason.is_none() {
            "ready"
        } else {
            "not ready"
        },
        reason,
        models: models.collect(),
    };
    (status, Json(body)).into_response()
}

/// Prometheus' text format.
#[utoipa::path(
    get,
    path = "/metrics",
    operation_id = "metrics",
    tag = "monitoring",
    security(()),
    responses(
        (status = 200, description = "All metrics", body = String, content_type = "text/plain"),
        (status = 500, description = "The server failed", body = ErrorBody)
    )
)]
pub async fn metrics(State(state): State<Arc<AppState>>) -> Result<Response, ApiError> {
    state.not_ready_reason(); // brings `clip_in_ready` up to date
    let text = state.metrics.exposition().map_err(|e| {
        ApiError::new(
            Code::InternalError,
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
