//! The Open Inference Protocol, version 2, over REST, for clients of KServe and Triton.

mod about;
mod by_version;
pub(super) mod infer;
pub(super) mod infer_error;
mod json;
mod json_values;
mod parameter;
mod shape;

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::http::StatusCode;
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use self::by_version::{ModelPath, with_versions};
use self::infer_error::InferError;
pub use self::infer_error::respond_with;
use crate::api::contract::inference_protocol::{PLATFORM, VERSION};
use crate::api::json_answer::Json;
use crate::api::rest::error_responses::LookupErrors;
use crate::api::{ApiError, AppState};
use crate::calls::tensor::{self as tensors, TensorMetadata, metadata};

/// The protocol's routes.
pub fn routes() -> OpenApiRouter<Arc<AppState>> {
    OpenApiRouter::new()
        .routes(routes!(server))
        .routes(routes!(live))
        .routes(routes!(ready))
        .routes(with_versions(routes!(model)))
        .routes(with_versions(routes!(model_ready)))
        .routes(with_versions(routes!(infer::create)))
        .merge(about::routes())
}

/// Whether a route is the protocol's: `/v2/rerank` and `/v2/embed` are not.
pub fn is_ours(route: &str) -> bool {
    let ours = ["/v2/health", "/v2/models", "/v2/repository"];
    route == "/v2" || ours.iter().any(|begin| route.starts_with(begin))
}

/// The description of the server.
#[derive(Debug, Serialize, ToSchema)]
struct ServerMetadata {
    name: &'static str,
    version: &'static str,
    extensions: [&'static str; 4],
}

/// A model and its tensors.
#[derive(Debug, Serialize, ToSchema)]
struct ModelMetadata {
    name: String,
    versions: [&'static str; 1],
    platform: &'static str,
    inputs: Vec<TensorMetadata>,
    outputs: Vec<TensorMetadata>,
}

/// Describes the server.
#[utoipa::path(
    get,
    path = "/v2",
    operation_id = "v2_server",
    tag = "open inference protocol",
    security(()),
    responses((status = 200, description = "The server", body = ServerMetadata))
)]
async fn server() -> Json<ServerMetadata> {
    Json(ServerMetadata {
        name: "clip-in",
        version: env!("CARGO_PKG_VERSION"),
        extensions: [
            "binary_tensor_data",
            "model_configuration",
            "model_repository",
            "statistics",
        ],
    })
}

/// Whether the process is running.
#[utoipa::path(
    get,
    path = "/v2/health/live",
    operation_id = "v2_live",
    tag = "open inference protocol",
    security(()),
    responses((status = 200, description = "It does"))
)]
async fn live() -> StatusCode {
    StatusCode::OK
}

/// Whether requests will be answered.
#[utoipa::path(
    get,
    path = "/v2/health/ready",
    operation_id = "v2_ready",
    tag = "open inference protocol",
    security(()),
    responses((status = 200, description = "They will"), (status = 503, description = "Requests will not be answered"))
)]
async fn ready(State(state): State<Arc<AppState>>) -> StatusCode {
    match state.not_ready_reason() {
        None => StatusCode::OK,
        Some(_) => StatusCode::SERVICE_UNAVAILABLE,
    }
}

/// Describes a model's tensors.
#[utoipa::path(
    get,
    path = "/v2/models/{name}",
    operation_id = "v2_model",
    tag = "open inference protocol",
    params(("name" = String, Path, description = "Name of the model")),
    responses((status = 200, description = "The model", body = ModelMetadata), LookupErrors<InferError>)
)]
async fn model(
    State(state): State<Arc<AppState>>,
    Path(path): Path<ModelPath>,
) -> Result<Json<ModelMetadata>, ApiError> {
    let model = path.model(&state)?;
    let tensors::ModelMetadata { inputs, outputs } = metadata(model.manifest());
    Ok(Json(ModelMetadata {
        name: model.name().to_owned(),
        versions: [VERSION],
        platform: PLATFORM,
        inputs,
        outputs,
    }))
}

/// Whether a model answers.
#[utoipa::path(
    get,
    path = "/v2/models/{name}/ready",
    operation_id = "v2_model_ready",
    tag = "open inference protocol",
    params(("name" = String, Path, description = "Name of the model")),
    responses(
        (status = 200, description = "It does"),
        (status = 503, description = "The model is not ready"),
        LookupErrors<InferError>
    )
)]
async fn model_ready(
    State(state): State<Arc<AppState>>,
    Path(path): Path<ModelPath>,
) -> Result<StatusCode, ApiError> {
    path.model(&state)?;
    Ok(ready(State(state)).await)
}
