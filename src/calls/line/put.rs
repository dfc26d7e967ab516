//! Creates or changes a line.

use std::sync::Arc;

use super::inspect::MOST_VIEWS;
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
    /// The model that compares; without it a known line keeps its model, and another one has that of its reference.
    pub model: Option<String>,
    /// A stored reference; without it and without images an existing line keeps its own.
    pub reference: Option<String>,
    /// Stored references of the views of a part, in the order of its images, instead of `reference`.
    pub views: Vec<String>,
    /// Images of good parts, for a reference of the line's own.
    pub references: Vec<ImageSource>,
    /// What is compared of them.
    pub places: Places,
    /// With how many pixels they are compared; see [`ReferenceDefinition::resolution`].
    pub resolution: Option<u32>,
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
        Ok(line) => Some(line.definition.clone()),
        Err(LineError::Unknown(_)) => None,
        Err(error) => return Err(error.into()),
    };
    let is_own = !call.references.is_empty();
    let model = call.model.clone();
    let model = model.or_else(|| known.as_ref().and_then(|known| known.model.clone()));
    if let Some(model) = &model {
        state
            .model(Some(model))
            .map_err(|error| error.at("model"))?;
    }
    let (reference, views) = compared_with(name, &call, known)?;
    let has_own = !call.places.is_everything() || call.resolution.is_some();
    if !is_own && has_own {
        let message = "regions, ignore, mask and resolution come with the images in references; a stored reference has its own";
        return Err(ApiError::new(Code::InvalidRequest, message).at("references"));
    }
    let definition = Definition {
        reference,
        views,
        model,
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
            resolution: call.resolution,
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
        for reference in definition.references() {
            state.references.get(reference)?;
        }
    }
    Ok(state.lines.put(name, definition, who).await?)
}

/// The reference of a line, and those of its views if it has several.
fn compared_with(
    name: &str,
    call: &PutLine,
    known: Option<Definition>,
) -> Result<(String, Vec<String>), ApiError> {
    let is_own = !call.references.is_empty();
    let named = usize::from(call.reference.is_some()) + usize::from(!call.views.is_empty());
    if named + usize::from(is_own) > 1 {
        let message = "either a stored reference, or those of views, or images of good parts";
        return Err(ApiError::new(Code::InvalidRequest, message).at("reference"));
    }
    if call.views.len() > MOST_VIEWS {
        let message = format!(
            "{} views; at most {MOST_VIEWS} are allowed",
            call.views.len()
        );
        return Err(ApiError::new(Code::TooManyItems, message).at("views"));
    }
    if let Some(reference) = call.views.first().or(call.reference.as_ref()) {
        return Ok((reference.clone(), call.views.clone()));
    }
    if is_own {
        return Ok((format!("line.{name}"), Vec::new()));
    }
    let known = known.map(|known| (known.reference, known.views));
    known.ok_or_else(|| {
        let message = "a line needs images of good parts, or the name of a stored reference";
        ApiError::new(Code::NoReference, message).at("references")
    })
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
