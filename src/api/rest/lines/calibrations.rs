//! `/v1/lines/{line}/calibrations`: labels parts, calibrates a line, and shows the reports.

use std::sync::Arc;

use axum::extract::{Path, Request, State};
use serde::Serialize;
use serde_json::value::RawValue;
use utoipa::ToSchema;

use super::calibration_form::{CalibrationForm, CalibrationRequest, read};
use super::spliced::as_stored;
use crate::api::answer_size::{self, OBJECT, of_text};
use crate::api::contract::ErrorBody;
use crate::api::json_answer::Json;
use crate::api::rest::error_responses::{InferenceErrors, LookupErrors, RoleErrors, StoreErrors};
use crate::api::rest::request_headers::RequestHeaders;
use crate::api::{ApiError, AppState, Caller, MayCalibrate};
use crate::calls::{self, CalibrateCall, PartsAdded};
use crate::lines::{LineError, Report};

/// Reports in a list, at most.
const MOST_REPORTS: i64 = 50;

/// The report of a calibration; or, with `"calibrate": false`, how many parts there are now.
#[derive(Debug, Serialize, ToSchema)]
#[serde(untagged)]
pub enum CalibrationAnswer {
    /// Parts were added.
    Added(PartsAdded),
    /// The line was calibrated.
    Report(Box<Report>),
}

/// Reports, the newest first.
#[derive(Debug, Serialize, ToSchema)]
pub struct CalibrationList {
    object: &'static str,
    #[schema(value_type = Vec<Object>)]
    data: Vec<Box<RawValue>>,
}

/// Adds labelled parts to a line, and calibrates it with all that it has. Too few parts are no error: the report says what
/// holds, and what is infeasible.
#[utoipa::path(
    post,
    path = "/v1/lines/{line}/calibrations",
    operation_id = "calibrate",
    tag = "lines",
    params(("line" = String, Path, description = "Name of the line"), RequestHeaders),
    request_body(
        content(
            (CalibrationRequest = "application/json"),
            (CalibrationForm = "multipart/form-data"),
        )
    ),
    responses(
        (status = 200, description = "The report, or the number of parts", body = CalibrationAnswer),
        (status = 409, description = "Audited inspections of the window have no verdict", body = ErrorBody),
        LookupErrors,
        InferenceErrors,
        RoleErrors
    )
)]
pub async fn create(
    State(state): State<Arc<AppState>>,
    Path(line): Path<String>,
    request: Request,
) -> Result<Json<CalibrationAnswer>, ApiError> {
    let right = MayCalibrate::of(request.extensions().get::<Caller>())?;
    let read = read(&state, request).await?;
    let line = state.lines.get(&line).await?;
    // A declaration is in the report once, however many parts it is about.
    answer_size::reserve(&state, 64 * OBJECT + of_text(64 * 2000))?;
    let (parts, declared) = (read.parts, read.declared);
    if !parts.is_empty() || !read.calibrate {
        let added = calls::add_parts(&state, &right, &line, parts, &declared, read.options).await?;
        if !read.calibrate {
            return Ok(Json(CalibrationAnswer::Added(added)));
        }
    }
    let call = CalibrateCall {
        audited: read.audited,
    };
    let report = calls::calibrate(&state, &right, &line, call).await?;
    state.metrics.lines.drift(&line.name, false);
    Ok(Json(CalibrationAnswer::Report(Box::new(report))))
}

/// Lists the reports of a line's calibrations, of all its versions.
#[utoipa::path(
    get,
    path = "/v1/lines/{line}/calibrations",
    operation_id = "list_calibrations",
    tag = "lines",
    params(("line" = String, Path, description = "Name of the line")),
    responses((status = 200, description = "The last 50 reports", body = CalibrationList), LookupErrors, RoleErrors, StoreErrors)
)]
pub async fn list(
    State(state): State<Arc<AppState>>,
    Path(line): Path<String>,
) -> Result<Json<CalibrationList>, ApiError> {
    let line = state.lines.get(&line).await?;
    let reviews = state.lines.store().await?;
    let reports = reviews
        .reports(&line.name, MOST_REPORTS)
        .await
        .map_err(LineError::from)?;
    let bytes = reports.iter().map(|report| of_text(report.len()));
    answer_size::reserve(&state, bytes.sum())?;
    let data = reports.into_iter().map(as_stored);
    Ok(Json(CalibrationList {
        object: "list",
        data: data.collect::<Result<_, _>>()?,
    }))
}
