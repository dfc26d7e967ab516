//! `/v1/admin/lines/{line}/shadow`: a model that decides beside the one that a line has.

use std::sync::Arc;

use axum::extract::{Path, Request, State};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::who;
use crate::api::answer_size::{self, OBJECT, of_text};
use crate::api::contract::ErrorBody;
use crate::api::json_answer::Json;
use crate::api::rest::error_responses::{AdminErrors, LookupErrors, StoreErrors};
use crate::api::rest::json_body;
use crate::api::{ApiError, AppState};
use crate::calls::{self, ShadowStatus};
use crate::error_code::Code;
use crate::lines::LineError;

/// Which model decides beside the line's.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ShadowRequest {
    /// A model that is loaded, and that has scored the line's labelled parts (`/v1/lines/{line}/rescore`).
    model: String,
    /// Share of the inspections that it decides, too, above 0 and at most 1.
    #[serde(default = "usual_share")]
    #[schema(exclusive_minimum = 0.0, maximum = 1.0, default = 0.1)]
    share: f64,
}

const fn usual_share() -> f64 {
    0.1
}

/// The result of ending a shadow.
#[derive(Debug, Serialize, ToSchema)]
pub struct EndedShadow {
    object: &'static str,
    line: String,
    ended: bool,
}

/// Has another model decide a share of a line's inspections, too, after the line has answered. It works in the lane `bulk`;
/// if too many inspections wait for it, it misses some, and the line never waits. A shadow that the line has ends.
#[utoipa::path(
    post,
    path = "/v1/admin/lines/{line}/shadow",
    operation_id = "start_shadow",
    tag = "admin",
    params(("line" = String, Path, description = "Name of the line")),
    request_body = ShadowRequest,
    responses(
        (status = 200, description = "The shadow runs", body = ShadowStatus),
        (status = 409, description = "The model has not scored all labelled parts", body = ErrorBody),
        AdminErrors,
        LookupErrors,
        StoreErrors
    )
)]
pub async fn start(
    State(state): State<Arc<AppState>>,
    Path(line): Path<String>,
    request: Request,
) -> Result<Json<ShadowStatus>, ApiError> {
    let who = who(&request);
    let (asked, _body): (ShadowRequest, _) = json_body::read(&state, request).await?;
    if !(asked.share > 0.0 && asked.share <= 1.0) {
        let message = format!("{} is not above 0 and at most 1", asked.share);
        return Err(ApiError::new(Code::InvalidRequest, message).at("share"));
    }
    answer_size::reserve(&state, 64 * OBJECT + of_text(64 * 2000))?;
    let what = (&*asked.model, asked.share);
    Ok(Json(calls::start_shadow(&state, &line, what, &who).await?))
}

/// Shows the shadow of a line, or the last one that it had: how often both differ, and who is right where a person has said
/// what the part is.
#[utoipa::path(
    get,
    path = "/v1/admin/lines/{line}/shadow",
    operation_id = "get_shadow",
    tag = "admin",
    params(("line" = String, Path, description = "Name of the line")),
    responses((status = 200, description = "The shadow", body = ShadowStatus), AdminErrors, LookupErrors, StoreErrors)
)]
pub async fn show(
    State(state): State<Arc<AppState>>,
    Path(line): Path<String>,
) -> Result<Json<ShadowStatus>, ApiError> {
    answer_size::reserve(&state, 64 * OBJECT + of_text(64 * 2000))?;
    Ok(Json(calls::shadow_of(&state, &line).await?))
}

/// Ends the shadow of a line. What it decided stays.
#[utoipa::path(
    delete,
    path = "/v1/admin/lines/{line}/shadow",
    operation_id = "end_shadow",
    tag = "admin",
    params(("line" = String, Path, description = "Name of the line")),
    responses((status = 200, description = "The shadow has ended", body = EndedShadow), AdminErrors, LookupErrors, StoreErrors)
)]
pub async fn end(
    State(state): State<Arc<AppState>>,
    Path(line): Path<String>,
    request: Request,
) -> Result<Json<EndedShadow>, ApiError> {
    let line = state.lines.get(&line).await?;
    let reviews = state.lines.store().await?;
    let ended = reviews.end_shadow(&line.name, &who(&request)).await;
    if !ended.map_err(LineError::from)? {
        return Err(calls::no_shadow());
    }
    Ok(Json(EndedShadow {
        object: "shadow",
        line: line.name.clone(),
        ended: true,
    }))
}
