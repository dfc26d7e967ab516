//! `/v1/admin`: change the models of a running server, and look at what it delivers.

use std::sync::Arc;

use axum::Extension;
use axum::extract::{Path, Request, State};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::error_responses::AdminErrors;
use super::models::ModelObject;
use super::request_form::{Content, RequestForm};
use super::{deliveries, json_body, models};
use crate::api::admin::AdminAccess;
use crate::api::admission::drain;
use crate::api::json_answer::Json;
use crate::api::{ApiError, AppState};
use crate::calls::{self, ComputedBeforeUse};
use crate::engine::{Loaded, RegistryError};
use crate::error_code::Code;

/// The admin routes; none if they are off.
pub fn routes(state: &Arc<AppState>) -> OpenApiRouter<Arc<AppState>> {
    let Some(admin) = &state.admin else {
        return OpenApiRouter::new();
    };
    OpenApiRouter::new()
        .routes(routes!(load))
        .routes(routes!(unload))
        .routes(routes!(deliveries::list))
        .routes(routes!(deliveries::dead))
        .routes(routes!(deliveries::retry))
        .route_layer(Extension(admin.clone()))
        .route_layer(from_fn_with_state(admin.clone(), guard))
}

async fn guard(State(admin): State<Arc<AdminAccess>>, request: Request, next: Next) -> Response {
    let (parts, body) = request.into_parts();
    match admin.check(&parts) {
        Ok(()) => next.run(Request::from_parts(parts, body)).await,
        Err(error) => {
            drain(body).await;
            error.into_response()
        }
    }
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct LoadRequest {
    /// Folder of the bundle, below the models' root.
    path: String,
}

/// The model that was loaded.
#[derive(Debug, Serialize, ToSchema)]
struct LoadedModel {
    #[serde(flatten)]
    model: ModelObject,
    /// Whether it replaced another model with the same name.
    replaced: bool,
    /// The label sets and references that it computed before requests could reach it.
    computed: ComputedBeforeUse,
}

/// The result of unloading a model.
#[derive(Debug, Serialize, ToSchema)]
struct UnloadedModel {
    id: String,
    object: &'static str,
    deleted: bool,
}

/// Loads a bundle and serves it. It replaces the model with the same name if there is one. Label sets and references of this
/// name are computed by the new model before it takes over. A load continues even if its client disconnects.
#[utoipa::path(
    post,
    path = "/v1/admin/models",
    operation_id = "load_model",
    tag = "admin",
    request_body = LoadRequest,
    responses((status = 200, description = "The model is served", body = LoadedModel), AdminErrors)
)]
async fn load(
    State(state): State<Arc<AppState>>,
    Extension(admin): Extension<Arc<AdminAccess>>,
    request: Request,
) -> Result<Json<LoadedModel>, ApiError> {
    let form = RequestForm::read(&state, request).await?;
    let Content::Json(body) = &form.content else {
        let message = "send a JSON object with the content type application/json";
        return Err(ApiError::new(Code::UnsupportedContentType, message));
    };
    let LoadRequest { path } = json_body::parse(body)?;
    let of_load = state.clone();
    let load = move || -> Result<_, ApiError> {
        let folder = admin.root.find(&path);
        let folder = folder.map_err(|error| ApiError::from(error).at("path"))?;
        calls::load_model(&of_load, &folder).map_err(|error| {
            let bundle_is_to_blame = matches!(error, RegistryError::Load(_));
            let error = ApiError::from(error);
            if bundle_is_to_blame {
                error.at("path")
            } else {
                error
            }
        })
    };
    let (Loaded { model, replaced }, computed) = blocking(load).await??;
    Ok(Json(LoadedModel {
        model: models::describe(&model, state.models.default_model().name()),
        replaced,
        computed,
    }))
}

/// Stops serving a model.
#[utoipa::path(
    delete,
    path = "/v1/admin/models/{name}",
    operation_id = "unload_model",
    tag = "admin",
    params(("name" = String, Path, description = "Name of the model")),
    responses((status = 200, description = "The model is no longer served", body = UnloadedModel), AdminErrors)
)]
async fn unload(
    State(state): State<Arc<AppState>>,
    Path(name): Path<String>,
) -> Result<Json<UnloadedModel>, ApiError> {
    state.models.unload(&name)?;
    Ok(Json(UnloadedModel {
        id: name,
        object: "model",
        deleted: true,
    }))
}

/// Runs work that would block the threads of other requests.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, ApiError> {
    let span = tracing::Span::current();
    let work = move || span.in_scope(work);
    tokio::task::spawn_blocking(work).await.map_err(|error| {
        tracing::error!(%error, "loading a model failed unexpectedly");
        let message = "loading the model failed unexpectedly; the reason is logged";
        ApiError::new(Code::InternalError, message)
    })
}
