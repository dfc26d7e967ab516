//! `/v1/lines/{line}/references`: parts that a person found OK become references.

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
use crate::api::rest::limit::limit;
use crate::api::{ApiError, AppState};
use crate::calls::{
    self, AddReferences, MOST_ADDED, MOST_AT_A_TIME, ReferencesAdded, USUAL_AT_A_TIME,
};
use crate::engine::{EmbedOptions, Lane};
use crate::error_code::Code;
use crate::lines::Report;

/// Which parts become references.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct AddReferencesRequest {
    /// Ids of inspections that a person found OK.
    #[schema(min_items = 1, max_items = 16)]
    inspections: Vec<String>,
    /// Labelled parts that are scored by this request, at most.
    #[serde(default, deserialize_with = "json_body::whole_number")]
    #[schema(value_type = Option<u8>, minimum = 1, maximum = 64, default = 16)]
    limit: Option<usize>,
    /// Do it even if a promise that holds now would not hold any more.
    #[serde(default)]
    #[schema(default = false)]
    accept_weaker: bool,
}

/// How far it is.
#[derive(Debug, Serialize, ToSchema)]
pub struct LineReferences {
    object: &'static str,
    line: String,
    /// The references with the images of these parts, one for each view.
    references: Vec<String>,
    /// Labelled parts that were scored by this request.
    scored: u64,
    /// Labelled parts that are left: ask again.
    left: u64,
    /// Labelled parts whose images are not stored. They are left out of the calibration until they are sent again.
    without_images: u64,
    /// The line's version with these references; null as long as parts are left.
    #[schema(required)]
    version: Option<i64>,
    /// The report of the calibration with these references; null as long as parts are left.
    #[schema(required)]
    calibration: Option<Box<Report>>,
}

/// Makes parts that a person found OK references of a line, so that what varies among good parts is no change any more. The
/// labelled parts are scored with them in the lane `bulk`, some in each request: ask until none is left. Then the line is
/// calibrated with these scores, and references and calibration become its next version in one change.
#[utoipa::path(
    post,
    path = "/v1/lines/{line}/references",
    operation_id = "add_line_references",
    tag = "lines",
    params(("line" = String, Path, description = "Name of the line")),
    request_body = AddReferencesRequest,
    responses(
        (status = 200, description = "How far it is", body = LineReferences),
        (status = 409, description = "A promise would be lost, or the line was changed meanwhile", body = ErrorBody),
        (status = 410, description = "An image of a part was deleted", body = ErrorBody),
        LookupErrors,
        InferenceErrors,
        RoleErrors
    )
)]
pub async fn add(
    State(state): State<Arc<AppState>>,
    Path(line): Path<String>,
    request: Request,
) -> Result<Json<LineReferences>, ApiError> {
    let who = who(&request);
    let (asked, _body): (AddReferencesRequest, _) = json_body::read(&state, request).await?;
    let most = limit(
        asked.limit,
        (USUAL_AT_A_TIME, MOST_AT_A_TIME),
        Code::InvalidRequest,
    )?;
    if !(1..=MOST_ADDED).contains(&asked.inspections.len()) {
        let message = format!("1 to {MOST_ADDED} inspections become references at once");
        return Err(ApiError::new(Code::InvalidRequest, message).at("inspections"));
    }
    answer_size::reserve(&state, 64 * OBJECT + of_text(64 * 2000))?;
    let call = AddReferences {
        inspections: asked.inspections,
        most,
        accept_weaker: asked.accept_weaker,
        options: EmbedOptions {
            lane: Lane::Bulk,
            ..EmbedOptions::default()
        },
    };
    let ReferencesAdded {
        references,
        rescored,
        switched,
    } = calls::add_references(&state, &line, call, &who).await?;
    Ok(Json(LineReferences {
        object: "line.references",
        line,
        references,
        scored: rescored.scored,
        left: rescored.left,
        without_images: rescored.without_images,
        version: switched.as_ref().map(|switched| switched.line.version),
        calibration: switched.map(|switched| Box::new(switched.report)),
    }))
}
