//! `DELETE /v1/lines/{line}/drift`: a person ends the alarm of a line's monitors.

use std::sync::Arc;

use axum::extract::{Path, Request, State};

use super::line_object::{LineObject, describe, size_of};
use super::who;
use crate::api::answer_size::{self, OBJECT};
use crate::api::json_answer::Json;
use crate::api::rest::error_responses::{LookupErrors, RoleErrors, StoreErrors};
use crate::api::{ApiError, AppState};

/// Ends the alarm: the line decides again, with the calibration that it has. Do it when the cause is gone; if parts have
/// changed for good, calibrate again.
#[utoipa::path(
    delete,
    path = "/v1/lines/{line}/drift",
    operation_id = "dismiss_drift",
    tag = "lines",
    params(("line" = String, Path, description = "Name of the line")),
    responses((status = 200, description = "The line without an alarm", body = LineObject), LookupErrors, RoleErrors, StoreErrors)
)]
pub async fn dismiss(
    State(state): State<Arc<AppState>>,
    Path(line): Path<String>,
    request: Request,
) -> Result<Json<LineObject>, ApiError> {
    let line = state.lines.get(&line).await?;
    answer_size::reserve(&state, size_of(&line.definition) + 32 * OBJECT)?;
    state.lines.dismiss(&line, &who(&request)).await?;
    state.metrics.lines.drift(&line.name, false);
    Ok(Json(describe(&state, &line).await?))
}
