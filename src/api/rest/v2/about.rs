//! Requests of Triton's clients besides inference: a model's configuration, its statistics, and the served models. Names are
//! those of Triton's extensions of the protocol.

use std::sync::Arc;

use axum::extract::{Path, Request, State};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::by_version::{ModelPath, with_versions};
use super::infer_error::InferError;
use crate::api::contract::inference_protocol::{BACKEND, PLATFORM, VERSION, state_of};
use crate::api::json_answer::Json;
use crate::api::rest::error_responses::LookupErrors;
use crate::api::rest::json_body;
use crate::api::{ApiError, AppState};
use crate::calls::tensor::{TensorMetadata, metadata};
use crate::engine::{Model, Timed};

/// The routes.
pub fn routes() -> OpenApiRouter<Arc<AppState>> {
    OpenApiRouter::new()
        .routes(with_versions(routes!(config)))
        .routes(routes!(all_stats))
        .routes(with_versions(routes!(stats)))
        .routes(routes!(index))
}

/// A model's configuration, limited to fields with a meaning here.
#[derive(Debug, Serialize, ToSchema)]
struct ModelConfig {
    name: String,
    platform: &'static str,
    backend: &'static str,
    /// 0: the first of a tensor's `dims` is the batch, and batches are formed across requests.
    max_batch_size: u32,
    input: Vec<InputConfig>,
    output: Vec<OutputConfig>,
}

#[derive(Debug, Serialize, ToSchema)]
struct InputConfig {
    name: &'static str,
    #[schema(example = "TYPE_STRING")]
    data_type: String,
    /// -1: any size.
    dims: Vec<i64>,
    /// True: a request may give only some of the inputs.
    optional: bool,
}

#[derive(Debug, Serialize, ToSchema)]
struct OutputConfig {
    name: &'static str,
    #[schema(example = "TYPE_FP32")]
    data_type: String,
    /// -1: any size.
    dims: Vec<i64>,
}

/// The name of a datatype in Triton's configurations.
fn data_type(tensor: &TensorMetadata) -> String {
    match tensor.datatype {
        "BYTES" => "TYPE_STRING".to_owned(),
        other => format!("TYPE_{other}"),
    }
}

/// A model's configuration.
#[utoipa::path(
    get,
    path = "/v2/models/{name}/config",
    operation_id = "v2_config",
    tag = "open inference protocol",
    params(("name" = String, Path, description = "Name of the model")),
    responses((status = 200, description = "The configuration", body = ModelConfig), LookupErrors<InferError>)
)]
async fn config(
    State(state): State<Arc<AppState>>,
    Path(path): Path<ModelPath>,
) -> Result<Json<ModelConfig>, ApiError> {
    let model = path.model(&state)?;
    let tensors = metadata(model.manifest());
    let input = tensors.inputs.into_iter().map(|tensor| InputConfig {
        data_type: data_type(&tensor),
        name: tensor.name,
        dims: tensor.shape,
        optional: true,
    });
    let output = tensors.outputs.into_iter().map(|tensor| OutputConfig {
        data_type: data_type(&tensor),
        name: tensor.name,
        dims: tensor.shape,
    });
    Ok(Json(ModelConfig {
        name: model.name().to_owned(),
        platform: PLATFORM,
        backend: BACKEND,
        max_batch_size: 0,
        input: input.collect(),
        output: output.collect(),
    }))
}

/// Statistics of models since they were loaded.
#[derive(Debug, Serialize, ToSchema)]
struct AllStatistics {
    model_stats: Vec<ModelStatistics>,
}

#[derive(Debug, Serialize, ToSchema)]
struct ModelStatistics {
    name: String,
    version: &'static str,
    /// Time of the last batch, in milliseconds since 1970; 0 if there was none.
    last_inference: u64,
    /// Number of items that an encoder ran.
    inference_count: u64,
    /// Number of batches.
    execution_count: u64,
    inference_stats: InferenceStatistics,
}

#[derive(Debug, Serialize, ToSchema)]
struct InferenceStatistics {
    /// Requests that were answered.
    success: StatisticDuration,
    /// Requests that were refused or failed.
    fail: StatisticDuration,
    /// Items that an encoder ran: their waiting time.
    queue: StatisticDuration,
    /// Requests with items that were decoded, resized or tokenised.
    compute_input: StatisticDuration,
    /// Items that an encoder ran: the time of their batches.
    compute_infer: StatisticDuration,
    /// Items found in a cache.
    cache_hit: StatisticDuration,
}

#[derive(Debug, Serialize, ToSchema)]
struct StatisticDuration {
    count: u64,
    /// Total nanoseconds.
    ns: u64,
}

impl From<&Timed> for StatisticDuration {
    fn from(timed: &Timed) -> Self {
        Self {
            count: timed.count(),
            ns: timed.nanoseconds(),
        }
    }
}

fn statistics(model: &Model) -> ModelStatistics {
    let found = model.statistics();
    ModelStatistics {
        name: model.name().to_owned(),
        version: VERSION,
        last_inference: found.last_milliseconds(),
        inference_count: found.inference.count(),
        execution_count: found.batches(),
        inference_stats: InferenceStatistics {
            success: (&found.success).into(),
            fail: (&found.fail).into(),
            queue: (&found.queue).into(),
            compute_input: (&found.prepare).into(),
            compute_infer: (&found.inference).into(),
            cache_hit: StatisticDuration {
                count: found.cached(),
                ns: 0,
            },
        },
    }
}

/// Statistics of all models.
#[utoipa::path(
    get,
    path = "/v2/models/stats",
    operation_id = "v2_all_stats",
    tag = "open inference protocol",
    responses((status = 200, description = "Statistics since the models were loaded", body = AllStatistics), LookupErrors<InferError>)
)]
async fn all_stats(State(state): State<Arc<AppState>>) -> Json<AllStatistics> {
    let models = state.models.all();
    Json(AllStatistics {
        model_stats: models.iter().map(|model| statistics(model)).collect(),
    })
}

/// Statistics of a model.
#[utoipa::path(
    get,
    path = "/v2/models/{name}/stats",
    operation_id = "v2_stats",
    tag = "open inference protocol",
    params(("name" = String, Path, description = "Name of the model")),
    responses((status = 200, description = "Statistics since the model was loaded", body = AllStatistics), LookupErrors<InferError>)
)]
async fn stats(
    State(state): State<Arc<AppState>>,
    Path(path): Path<ModelPath>,
) -> Result<Json<AllStatistics>, ApiError> {
    let model = path.model(&state)?;
    Ok(Json(AllStatistics {
        model_stats: vec![statistics(&model)],
    }))
}

#[derive(Debug, Default, Deserialize, ToSchema)]
struct IndexRequest {
    /// Only ready models.
    #[serde(default)]
    ready: Option<bool>,
}

/// A served model.
#[derive(Debug, Serialize, ToSchema)]
struct IndexEntry {
    name: String,
    version: &'static str,
    /// `READY` or `UNAVAILABLE`
    state: &'static str,
    /// The reason why it is not ready; empty if it is.
    reason: String,
}

/// Lists the served models, the default one first.
#[utoipa::path(
    post,
    path = "/v2/repository/index",
    operation_id = "v2_index",
    tag = "open inference protocol",
    request_body = Option<IndexRequest>,
    responses((status = 200, description = "The models", body = Vec<IndexEntry>), LookupErrors<InferError>)
)]
async fn index(
    State(state): State<Arc<AppState>>,
    request: Request,
) -> Result<Json<Vec<IndexEntry>>, ApiError> {
    let (parts, body) = request.into_parts();
    let body = state.admission.read_unpacked(&parts.headers, body).await?;
    let asked: IndexRequest = if matches!(body.bytes.trim_ascii(), b"" | b"null") {
        IndexRequest::default()
    } else {
        json_body::parse(&body.bytes)?
    };
    let only_ready = asked.ready.unwrap_or(false);
    let models = state.models.all();
    let entries = models.iter().filter_map(|model| {
        let reason = model.health().not_ready_reason();
        (reason.is_none() || !only_ready).then(|| IndexEntry {
            name: model.name().to_owned(),
            version: VERSION,
            state: state_of(reason.as_deref()),
            reason: reason.unwrap_or_default(),
        })
    });
    Ok(Json(entries.collect()))
}
