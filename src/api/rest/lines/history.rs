//! `/v1/lines/{line}/history`: which model has decided when, and by which calibration.

use std::sync::Arc;

use axum::extract::{Path, State};
use serde::Serialize;
use serde_json::value::RawValue;
use utoipa::ToSchema;

use super::spliced::as_stored;
use crate::api::answer_size::{self, OBJECT, of_text};
use crate::api::json_answer::Json;
use crate::api::rest::error_responses::{LookupErrors, RoleErrors, StoreErrors};
use crate::api::{ApiError, AppState};
use crate::calls;
use crate::lines::{Definition, LineError};
use crate::reviews::ReviewError;

/// Versions in an answer, at most.
const MOST: i64 = 50;

/// Versions of a line, the newest first.
#[derive(Debug, Serialize, ToSchema)]
pub struct LineHistory {
    object: &'static str,
    data: Vec<LineVersion>,
}

/// A version of a line.
#[derive(Debug, Serialize, ToSchema)]
pub struct LineVersion {
    version: i64,
    /// Milliseconds since 1970.
    created: i64,
    /// The name of the API key; "" without keys.
    who: String,
    /// The model that the version decides with; null if neither it nor its reference is there any more.
    #[schema(required)]
    model: Option<String>,
    reference: String,
    /// The report of the last calibration of this version; null without one.
    #[schema(required, value_type = Option<Object>)]
    calibration: Option<Box<RawValue>>,
}

/// Lists the last 50 versions of a line, each with its model and its calibration.
#[utoipa::path(
    get,
    path = "/v1/lines/{line}/history",
    operation_id = "line_history",
    tag = "lines",
    params(("line" = String, Path, description = "Name of the line")),
    responses((status = 200, description = "The versions", body = LineHistory), LookupErrors, RoleErrors, StoreErrors)
)]
pub async fn list(
    State(state): State<Arc<AppState>>,
    Path(line): Path<String>,
) -> Result<Json<LineHistory>, ApiError> {
    let line = state.lines.get(&line).await?;
    let reviews = state.lines.store().await?;
    let versions = reviews.versions(&line.name, MOST).await;
    let versions = versions.map_err(LineError::from)?;
    let mut bytes = OBJECT;
    let mut data = Vec::with_capacity(versions.len());
    for (version, who) in versions {
        let definition: Definition = serde_json::from_str(&version.body)
            .map_err(ReviewError::from)
            .map_err(LineError::from)?;
        let calibration = reviews.calibration(&line.name, version.version).await;
        let calibration = calibration.map_err(LineError::from)?.map(|one| one.report);
        bytes += OBJECT + of_text(calibration.as_ref().map_or(0, String::len));
        data.push(LineVersion {
            version: version.version,
            created: version.created,
            who,
            model: calls::model_of_line(&state, &definition).ok(),
            reference: definition.reference,
            calibration: calibration.map(as_stored).transpose()?,
        });
    }
    answer_size::reserve(&state, bytes)?;
    Ok(Json(LineHistory {
        object: "list",
        data,
    }))
}
