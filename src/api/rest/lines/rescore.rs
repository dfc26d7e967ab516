//! `/v1/lines/{line}/rescore`: another model scores the labelled parts of a line.

use std::sync::Arc;

use axum::extract::{Path, Request, State};
use serde::Deserialize;
use utoipa::ToSchema;

use crate::api::answer_size::{self, OBJECT};
use crate::api::contract::ErrorBody;
use crate::api::json_answer::Json;
use crate::api::rest::error_responses::{InferenceErrors, LookupErrors, RoleErrors};
use crate::api::rest::json_body;
use crate::api::rest::limit::limit;
use crate::api::{ApiError, AppState, Caller, MayCalibrate};
use crate::calls::{self, MOST_AT_A_TIME, Rescored, USUAL_AT_A_TIME};
use crate::engine::{EmbedOptions, Lane};
use crate::error_code::Code;

/// What is scored.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RescoreRequest {
    /// A model that is loaded; without it the line's own, for example after its reference was changed.
    model: Option<String>,
    /// Parts that are scored by this request, at most.
    #[serde(default, deserialize_with = "json_body::whole_number")]
    #[schema(value_type = Option<u8>, minimum = 1, maximum = 64, default = 16)]
    limit: Option<usize>,
}

/// Scores labelled parts of a line that the model has not scored, and says how many are left: ask until none is. It runs in
/// the lane `bulk`, so that inspections go first. Nothing that the line decides changes.
#[utoipa::path(
    post,
    path = "/v1/lines/{line}/rescore",
    operation_id = "rescore_parts",
    tag = "lines",
    params(("line" = String, Path, description = "Name of the line")),
    request_body = RescoreRequest,
    responses(
        (status = 200, description = "How far it is", body = Rescored),
        (status = 409, description = "The model or the reference was replaced meanwhile", body = ErrorBody),
        LookupErrors,
        InferenceErrors,
        RoleErrors
    )
)]
pub async fn create(
    State(state): State<Arc<AppState>>,
    Path(line): Path<String>,
    request: Request,
) -> Result<Json<Rescored>, ApiError> {
    let right = MayCalibrate::of(request.extensions().get::<Caller>())?;
    let (asked, _body): (RescoreRequest, _) = json_body::read(&state, request).await?;
    let limit = limit(
        asked.limit,
        (USUAL_AT_A_TIME, MOST_AT_A_TIME),
        Code::InvalidRequest,
    )?;
    answer_size::reserve(&state, OBJECT)?;
    let line = state.lines.get(&line).await?;
    let options = EmbedOptions {
        lane: Lane::Bulk,
        ..EmbedOptions::default()
    };
    let what = (asked.model, limit);
    Ok(Json(
        calls::rescore(&state, &right, &line, what, options).await?,
    ))
}
