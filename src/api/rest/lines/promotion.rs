//! `/v1/lines/{line}/promotion` and `/rollback`: which model decides.

use std::sync::Arc;

use axum::extract::{Path, Request, State};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::who;
use crate::api::answer_size::{self, OBJECT, of_text};
use crate::api::contract::ErrorBody;
use crate::api::json_answer::Json;
use crate::api::rest::error_responses::{InferenceErrors, LookupErrors, RoleErrors};
use crate::api::rest::json_body;
use crate::api::{ApiError, AppState};
use crate::calls::{self, Switched};
use crate::lines::Report;

/// Which model is to decide.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PromotionRequest {
    /// A model that is loaded, and that has scored the line's labelled parts (`/v1/lines/{line}/rescore`).
    model: String,
    /// Promote even if a promise that holds now would not hold any more.
    #[serde(default)]
    #[schema(default = false)]
    accept_weaker: bool,
}

/// What decides now.
#[derive(Debug, Serialize, ToSchema)]
pub struct Promotion {
    object: &'static str,
    line: String,
    /// The line's version from now on.
    version: i64,
    /// The model that decides.
    model: String,
    /// The model that decided before.
    from: String,
    /// The report of the calibration with this model.
    calibration: Box<Report>,
}

impl From<Switched> for Promotion {
    fn from(switched: Switched) -> Self {
        Self {
            object: "promotion",
            line: switched.line.name.clone(),
            version: switched.line.version,
            model: switched.model,
            from: switched.from,
            calibration: Box::new(switched.report),
        }
    }
}

/// Makes another model the one that decides: the next version of the line, with a calibration by the labelled parts as the
/// model scored them. Every inspection names the version and the model that decided it.
#[utoipa::path(
    post,
    path = "/v1/lines/{line}/promotion",
    operation_id = "promote_line",
    tag = "lines",
    params(("line" = String, Path, description = "Name of the line")),
    request_body = PromotionRequest,
    responses(
        (status = 200, description = "The model decides", body = Promotion),
        (status = 409, description = "The model has not scored all parts, a promise would be lost, or the line was changed meanwhile", body = ErrorBody),
        LookupErrors,
        InferenceErrors,
        RoleErrors
    )
)]
pub async fn promote(
    State(state): State<Arc<AppState>>,
    Path(line): Path<String>,
    request: Request,
) -> Result<Json<Promotion>, ApiError> {
    let who = who(&request);
    let (asked, _body): (PromotionRequest, _) = json_body::read(&state, request).await?;
    answer_size::reserve(&state, 64 * OBJECT + of_text(64 * 2000))?;
    let switched = calls::promote(&state, &line, &asked.model, asked.accept_weaker, &who).await?;
    Ok(Json(switched.into()))
}

/// Makes the model of before the one that decides, with the definition that the line had then, and a calibration by the parts
/// as that model scored them.
#[utoipa::path(
    post,
    path = "/v1/lines/{line}/rollback",
    operation_id = "roll_back_line",
    tag = "lines",
    params(("line" = String, Path, description = "Name of the line")),
    responses(
        (status = 200, description = "The model of before decides", body = Promotion),
        (status = 409, description = "The line has had no other model that is loaded, or was changed meanwhile", body = ErrorBody),
        LookupErrors,
        InferenceErrors,
        RoleErrors
    )
)]
pub async fn roll_back(
    State(state): State<Arc<AppState>>,
    Path(line): Path<String>,
    request: Request,
) -> Result<Json<Promotion>, ApiError> {
    answer_size::reserve(&state, 64 * OBJECT + of_text(64 * 2000))?;
    let switched = calls::roll_back(&state, &line, &who(&request)).await?;
    Ok(Json(switched.into()))
}
