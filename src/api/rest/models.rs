//! `GET /v1/models`: the served models, in OpenAI's format with additional fields.

use std::sync::Arc;
use std::time::UNIX_EPOCH;

use axum::extract::{Path, State};
use serde::Serialize;
use utoipa::ToSchema;

use super::error_responses::LookupErrors;
use crate::api::json_answer::Json;
use crate::api::{ApiError, AppState};
use crate::bundle::Similarity;
use crate::engine::Model;

/// The description of a model for clients.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Model)]
pub struct ModelObject {
    /// Its name, or an alias.
    id: String,
    /// The model's own name; it differs from `id` if that is an alias.
    root: String,
    object: &'static str,
    /// When it was loaded, in seconds since 1970.
    created: u64,
    owned_by: &'static str,
    /// Whether it answers requests without a model.
    default: bool,
    /// The description in the bundle.
    description: String,
    modalities: [&'static str; 2],
    /// Length of an embedding.
    embedding_dim: usize,
    /// Height and width of the encoder's input in pixels.
    image_size: [usize; 2],
    /// Maximum number of tokens of a text.
    context_length: usize,
    /// How two embeddings become a score.
    #[schema(value_type = Object)]
    similarity: Similarity,
    /// Its precision: fp32, bf16, fp16 or int8.
    precision: String,
    /// The reason for the precision.
    precision_reason: String,
    /// Its device.
    device: String,
    /// The provider of ONNX Runtime.
    provider: &'static str,
}

/// All models.
#[derive(Debug, Serialize, ToSchema)]
pub struct ModelList {
    object: &'static str,
    data: Vec<ModelObject>,
}

/// Lists all models, the default one first, followed by the aliases.
#[utoipa::path(
    get,
    path = "/v1/models",
    operation_id = "list_models",
    tag = "models",
    responses((status = 200, description = "All models", body = ModelList), LookupErrors)
)]
pub async fn list(State(state): State<Arc<AppState>>) -> Json<ModelList> {
    let models = state.models.all();
    let default = models.first().map_or("", |model| model.name());
    let aliases = state.models.aliases().iter().filter_map(|alias| {
        let model = models.iter().find(|model| model.name() == alias.model)?;
        Some(describe_as(&alias.name, model, default))
    });
    let data = models.iter().map(|model| describe(model, default));
    let data = data.chain(aliases);
    Json(ModelList {
        object: "list",
        data: data.collect(),
    })
}

/// Returns one model by name or alias.
#[utoipa::path(
    get,
    path = "/v1/models/{name}",
    operation_id = "get_model",
    tag = "models",
    params(("name" = String, Path, description = "Name of the model")),
    responses((status = 200, description = "The model", body = ModelObject), LookupErrors)
)]
pub async fn one(
    State(state): State<Arc<AppState>>,
    Path(name): Path<String>,
) -> Result<Json<ModelObject>, ApiError> {
    let default = state.models.default_model();
    let model = state.model(Some(&name))?;
    Ok(Json(describe_as(&name, &model, default.name())))
}

/// The same under the name in the request.
fn describe_as(name: &str, model: &Model, default: &str) -> ModelObject {
    ModelObject {
        id: name.to_owned(),
        default: name == default,
        ..describe(model, default)
    }
}

/// The description of a model. `default` is the name of the default model.
pub fn describe(model: &Model, default: &str) -> ModelObject {
    let manifest = model.manifest();
    let created = model.loaded().duration_since(UNIX_EPOCH);
    ModelObject {
        id: model.name().to_owned(),
        root: model.name().to_owned(),
        object: "model",
        created: created.map_or(0, |since| since.as_secs()),
        owned_by: "clip-in",
        default: model.name() == default,
        description: manifest.description.clone(),
        modalities: ["text", "image"],
        embedding_dim: manifest.embedding_dim,
        image_size: manifest.image.size,
        context_length: manifest.text.context_length,
        similarity: manifest.similarity,
        precision: model.precision().to_owned(),
        precision_reason: model.precision_reason().to_owned(),
        device: model.device(),
        provider: model.provider(),
    }
}
