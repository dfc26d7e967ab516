//! The Open Inference Protocol, version 2, over REST: what KServe and Triton's clients speak.

pub mod binary;
mod infer;
mod json;

use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use serde_json::{Value, json};

use crate::api::calls::infer::{TensorMetadata, metadata};
use crate::api::{ApiError, AppState};

/// The only version of a model that there is.
pub const VERSION: &str = "1";
/// What runs models.
pub const PLATFORM: &str = "onnxruntime_onnx";

/// The protocol's routes.
pub fn routes() -> Router<Arc<AppState>> {
    Router::new()
        .route("/v2", get(server))
        .route("/v2/health/live", get(live))
        .route("/v2/health/ready", get(ready))
        .route("/v2/models/{name}", get(model))
        .route("/v2/models/{name}/ready", get(model_ready))
        .route("/v2/models/{name}/infer", post(infer::create))
        .route("/v2/models/{name}/versions/{version}", get(version))
        .route(
            "/v2/models/{name}/versions/{version}/ready",
            get(version_ready),
        )
        .route(
            "/v2/models/{name}/versions/{version}/infer",
            post(infer::create_version),
        )
}

/// 404 for any version but [`VERSION`].
pub fn check_version(version: &str) -> Result<(), ApiError> {
    if version.is_empty() || version == VERSION {
        return Ok(());
    }
    let message = format!("there is only version {VERSION:?} of a model");
    Err(ApiError::new(StatusCode::NOT_FOUND, "model_not_found", message).at("version"))
}

/// Whether a route is the protocol's: `/v2/rerank` is not.
pub fn is_ours(route: &str) -> bool {
    route == "/v2" || route.starts_with("/v2/health") || route.starts_with("/v2/models")
}

/// An error in the protocol's words: one sentence under `error`. Status and headers stay.
pub fn respond_with(error: &ApiError, response: Response) -> Response {
    let place = error.param.as_ref().map(|param| format!(" ({param})"));
    let sentence = format!(
        "{}: {}{}",
        error.code,
        error.message,
        place.unwrap_or_default()
    );
    let (mut parts, _) = response.into_parts();
    parts.headers.remove(header::CONTENT_LENGTH);
    Response::from_parts(parts, Body::from(json!({"error": sentence}).to_string()))
}

async fn server() -> Json<Value> {
    Json(json!({
        "name": "clip-in",
        "version": env!("CARGO_PKG_VERSION"),
        "extensions": ["binary_tensor_data"],
    }))
}

async fn live() -> StatusCode {
    StatusCode::OK
}

async fn ready(State(state): State<Arc<AppState>>) -> StatusCode {
    match state.trouble() {
        None => StatusCode::OK,
        Some(_) => StatusCode::SERVICE_UNAVAILABLE,
    }
}

async fn model(
    State(state): State<Arc<AppState>>,
    Path(name): Path<String>,
) -> Result<Json<Value>, ApiError> {
    let model = state.model(Some(&name))?;
    let tensors = metadata(model.manifest());
    let all = |tensors: &[TensorMetadata]| -> Vec<Value> {
        let tensors = tensors.iter();
        tensors
            .map(|t| json!({"name": t.name, "datatype": t.datatype, "shape": t.shape}))
            .collect()
    };
    Ok(Json(json!({
        "name": model.name(),
        "versions": [VERSION],
        "platform": PLATFORM,
        "inputs": all(&tensors.inputs),
        "outputs": all(&tensors.outputs),
    })))
}

async fn version(
    state: State<Arc<AppState>>,
    Path((name, version)): Path<(String, String)>,
) -> Result<Json<Value>, ApiError> {
    check_version(&version)?;
    model(state, Path(name)).await
}

async fn model_ready(State(state): State<Arc<AppState>>, Path(name): Path<String>) -> Response {
    if let Err(error) = state.model(Some(&name)) {
        return error.into_response();
    }
    ready(State(state)).await.into_response()
}

async fn version_ready(
    state: State<Arc<AppState>>,
    Path((name, version)): Path<(String, String)>,
) -> Response {
    match check_version(&version) {
        Ok(()) => model_ready(state, Path(name)).await,
        Err(error) => error.into_response(),
    }
}
