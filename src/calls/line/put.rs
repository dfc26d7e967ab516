//! Creates or changes a line.

use std::sync::Arc;

use crate::api::{ApiError, AppState};
use crate::calls::put_reference;
use crate::engine::{EmbedOptions, ImageSource};
use crate::error_code::Code;
use crate::lines::{
    Definition, Line, LineError, Promised, Shares, Statement, Store, check_name, usual_audit,
};
use crate::references::{Definition as ReferenceDefinition, Places};

/// A line as it was asked for.
#[derive(Debug)]
pub struct PutLine {
    /// The model of the line's own reference.
    pub model: Option<String>,
    /// A stored reference; without it and without images an existing line keeps its own.
    pub reference: Option<String>,
    /// Images of good parts, for a reference of the line's own.
    pub references: Vec<ImageSource>,
    /// What is compared of them.
    pub places: Places,
    /// Texts about changes.
    pub statements: Vec<Statement>,
    /// What is promised.
    pub promise: Promised,
    /// The declared share of NG parts.
    pub defect_rate: Option<f64>,
    /// How labelled parts are divided.
    pub split: Shares,
    /// Share of inspections for a random audit.
    pub audit: Option<f64>,
    /// Days that images are kept.
    pub retention_days: Option<u32>,
    /// When inspections are stored.
    pub store: Store,
    /// Lane and deadline.
    pub options: EmbedOptions,
}

/// Creates a line, or adds a version to it; true if it is new.
///
/// # Errors
/// [`ApiError`] with the invalid field.
pub async fn put_line(
    state: &AppState,
    name: &str,
    call: PutLine,
    who: &str,
) -> Result<(Arc<Line>, bool), ApiError> {
    check_name(name)?;
    let known = match state.lines.get(name).await {
        Ok(line) => Some(line.definition.reference.clone()),
        Err(LineError::Unknown(_)) => None,
        Err(error) => return Err(error.into()),
    };
    let own = format!("line.{name}");
    let is_own = !call.references.is_empty();
    let reference = match (call.reference, is_own) {
        (Some(_), true) => {
            let message = "either a stored reference or images of good parts, not both";
            return Err(ApiError::new(Code::InvalidRequest, message).at("reference"));
        }
        (Some(reference), false) => reference,
        (None, true) => own,
        (None, false) => known.ok_or_else(|| {
            let message = "a line needs images of good parts, or the name of a stored reference";
            ApiError::new(Code::NoReference, message).at("references")
        })?,
    };
    if !is_own && (call.model.is_some() || !call.places.is_everything()) {
        let message = "model, regions and ignore come with the images in references; a stored reference has its own";
        return Err(ApiError::new(Code::InvalidRequest, message).at("references"));
    }
    let definition = Definition {
        reference,
        statements: call.statements,
        promise: call.promise,
        defect_rate: call.defect_rate,
        split: call.split,
        audit: call.audit.unwrap_or_else(usual_audit),
        retention_days: call.retention_days,
        store: call.store,
    };
    // Nothing is learnt for a line that will be refused.
    definition.check()?;
    if is_own {
        let learnt = ReferenceDefinition {
            model: call.model,
            places: call.places,
            ..ReferenceDefinition::default()
        };
        put_reference(
            state,
            &definition.reference,
            learnt,
            call.references,
            call.options,
        )
        .await
        .map_err(as_references)?;
    } else {
        state.references.get(&definition.reference)?;
    }
    Ok(state.lines.put(name, definition, who).await?)
}

/// The error about a reference image, under its name in the request.
fn as_references(mut error: ApiError) -> ApiError {
    if let Some(param) = &mut error.param
        && let Some(place) = param.strip_prefix("images")
    {
        *param = format!("references{place}");
    }
    error
}
