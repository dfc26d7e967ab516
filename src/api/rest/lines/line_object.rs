//! A line in an answer.

use serde::Serialize;
use serde_json::value::RawValue;
use utoipa::ToSchema;

use super::shipped::Shipped;
use super::spliced::as_stored;
use crate::api::answer_size::{OBJECT, of_text};
use crate::api::{ApiError, AppState};
use crate::calls;
use crate::error_code::Code;
use crate::lines::{Definition, Line, LineError, Promised, Shares, Statement, Store};

/// A line: what it compares with, promises, and has been calibrated to.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Line)]
pub struct LineObject {
    object: &'static str,
    name: String,
    /// 1 for the first definition, and one more for each change.
    version: i64,
    /// Time of this version, in milliseconds since 1970.
    created: i64,
    /// `not calibrated`, `calibrated`, or `drift` while an alarm suspends the promise.
    #[schema(value_type = String)]
    state: &'static str,
    /// The reference that parts are compared with.
    reference: String,
    /// The references of the views of a part, in the order of its images; empty if all are compared with `reference`.
    views: Vec<String>,
    /// The model that compares; null if it is not loaded.
    #[schema(required)]
    model: Option<String>,
    statements: Vec<Statement>,
    promise: Promised,
    #[schema(required)]
    defect_rate: Option<f64>,
    split: Shares,
    /// Share of inspections that a keyed hash chooses for a person.
    audit: f64,
    /// Days that images are kept; null: for ever.
    #[schema(required)]
    retention_days: Option<u32>,
    /// `before`, or `queued`: inspections wait on disk while the database is away.
    store: Store,
    /// The monitor that raised an alarm.
    #[schema(required)]
    drift: Option<String>,
    /// Labelled parts that may calibrate the line.
    parts: Parts,
    /// The report of the last calibration of this version; null without one.
    #[schema(required, value_type = Option<Object>)]
    calibration: Option<Box<RawValue>>,
    /// What the random audit says about parts that were decided OK.
    shipped: Shipped,
}

#[derive(Debug, Serialize, ToSchema)]
#[schema(as = LineParts)]
struct Parts {
    ok: u64,
    ng: u64,
    /// Parts that another model or another version of the reference scored.
    left_out: u64,
}

/// Bytes of a line in an answer without its calibration.
pub fn size_of(definition: &Definition) -> usize {
    let statements = definition.statements.iter().map(|statement| {
        let more = statement.reference_text.iter().chain(&statement.kind);
        OBJECT + of_text(statement.text.len() + more.map(String::len).sum::<usize>())
    });
    (8 + definition.views.len()) * OBJECT + statements.sum::<usize>()
}

/// Describes a line as it is now.
///
/// # Errors
/// [`ApiError`] if the store fails.
pub async fn describe(state: &AppState, line: &Line) -> Result<LineObject, ApiError> {
    let reviews = state.lines.store().await?;
    let definition = &line.definition;
    let scored_by = match calls::line_scored_by(state, definition) {
        Ok(scored_by) => scored_by,
        // Without its reference or model the line has no usable part.
        Err(error)
            if error.code == Code::ReferenceNotFound || error.code == Code::ModelNotFound =>
        {
            String::new()
        }
        Err(error) => return Err(error),
    };
    let counts = reviews.count_parts(&line.name, &scored_by).await;
    let (ok, ng, left_out) = counts.map_err(LineError::from)?;
    let calibration = reviews.calibration(&line.name, line.version).await;
    let calibration = calibration.map_err(LineError::from)?;
    let is_current = calibration
        .as_ref()
        .is_some_and(|one| one.scored_by == scored_by);
    let drift = line.drift();
    let calibration = calibration.map(|one| as_stored(one.report)).transpose()?;
    let shipped = reviews
        .shipped_audit(&line.name)
        .await
        .map_err(LineError::from)?;
    Ok(LineObject {
        object: "line",
        name: line.name.clone(),
        version: line.version,
        created: line.created,
        state: match (is_current, &drift) {
            (false, _) => "not calibrated",
            (true, Some(_)) => "drift",
            (true, None) => "calibrated",
        },
        reference: definition.reference.clone(),
        views: definition.views.clone(),
        model: calls::model_of_line(state, definition).ok(),
        statements: definition.statements.clone(),
        promise: definition.promise,
        defect_rate: definition.defect_rate,
        split: definition.split,
        audit: definition.audit,
        retention_days: definition.retention_days,
        store: definition.store,
        drift,
        parts: Parts { ok, ng, left_out },
        calibration,
        shipped: Shipped::of(&shipped),
    })
}
