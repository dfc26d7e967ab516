//! `POST /v1/admin/models` and `DELETE /v1/admin/models/{name}`: what is served, changed while it serves.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Path, Request, State};
use axum::http::StatusCode;
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::{delete, post};
use axum::{Extension, Json, Router};
use serde::Deserialize;
use serde_json::{Value, json};

use super::request_form::{Content, RequestForm};
use super::{json_body, models};
use crate::api::admin::AdminAccess;
use crate::api::admission::drain;
use crate::api::{ApiError, AppState};
use crate::engine::{Loaded, RegistryError};

/// What every admin route begins with.
pub const PREFIX: &str = "/v1/admin/";

/// Longest time of a request to an admin route: a large model is read, checked and warmed for minutes.
pub const TIME: Duration = Duration::from_secs(3600);

/// The admin routes; none if they are off.
pub fn routes(state: &Arc<AppState>) -> Router<Arc<AppState>> {
    let Some(admin) = &state.admin else {
        return Router::new();
    };
    Router::new()
        .route("/v1/admin/models", post(load))
        .route("/v1/admin/models/{name}", delete(unload))
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

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct LoadRequest {
    /// Folder of the bundle, below the models' root.
    path: String,
}

/// Loads a bundle and serves it, in the place of the model of its name if there is one. A load that was begun is
/// finished even if its client leaves.
async fn load(
    State(state): State<Arc<AppState>>,
    Extension(admin): Extension<Arc<AdminAccess>>,
    request: Request,
) -> Result<Json<Value>, ApiError> {
    let form = RequestForm::read(&state, request).await?;
    let Content::Json(body) = &form.content else {
        let message = "send a JSON object with the content type application/json";
        return Err(ApiError::new(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "unsupported_content_type",
            message,
        ));
    };
    let LoadRequest { path } = json_body::parse(body)?;
    let models = state.models.clone();
    let load = move || -> Result<Loaded, ApiError> {
        let folder = admin.root.find(&path);
        let folder = folder.map_err(|error| ApiError::from(error).at("path"))?;
        models.load(&folder).map_err(|error| {
            let bundle_is_to_blame = matches!(error, RegistryError::Load(_));
            let error = ApiError::from(error);
            if bundle_is_to_blame {
                error.at("path")
            } else {
                error
            }
        })
    };
    let Loaded { model, replaced } = blocking(load).await??;
    let mut answer = models::describe(&model, state.models.default_model().name());
    answer["replaced"] = json!(replaced);
    Ok(Json(answer))
}

/// Takes a model off the list.
async fn unload(
    State(state): State<Arc<AppState>>,
    Path(name): Path<String>,
) -> Result<Json<Value>, ApiError> {
    state.models.unload(&name)?;
    Ok(Json(
        json!({"id": name, "object": "model", "deleted": true}),
    ))
}

/// Work that would hold up other requests on the threads that answer them.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, ApiError> {
    let span = tracing::Span::current();
    let work = move || span.in_scope(work);
    tokio::task::spawn_blocking(work).await.map_err(|error| {
        tracing::error!(%error, "loading a model broke off");
        let message = "loading the model broke off; the reason is logged";
        ApiError::new(StatusCode::INTERNAL_SERVER_ERROR, "internal_error", message)
    })
}
