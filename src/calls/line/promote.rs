//! Promotes a line to another model, and rolls it back: the next version of the line, with its calibration, at once.

use std::sync::Arc;

use serde_json::json;

use super::calibrate::{Calibrated, calibration};
use super::measure::{line_scored_by, model_of_line};
use crate::api::{ApiError, AppState};
use crate::engine::EmbedOptions;
use crate::error_code::Code;
use crate::lines::{Definition, Line, LineError, Report};
use crate::quoted::quoted;
use crate::reviews::{ReviewError, What};

/// Versions that are looked through for an earlier model.
const MOST_VERSIONS: i64 = 1000;

/// What a line decides with now.
#[derive(Debug)]
pub struct Switched {
    /// The line.
    pub line: Arc<Line>,
    /// Its model.
    pub model: String,
    /// The model of before.
    pub from: String,
    /// The report of its calibration.
    pub report: Report,
}

/// Makes a model that has scored all labelled parts the one that decides. Inspections are decided by the line as it was until
/// the new version is stored.
///
/// # Errors
/// 409 `parts_not_scored`, `promise_lost` unless `accept_weaker` (with the sentence of the report), `line_changed`; 400 if
/// the line has this model; and others.
pub async fn promote(
    state: &AppState,
    name: &str,
    model: &str,
    accept_weaker: bool,
    who: &str,
) -> Result<Switched, ApiError> {
    let line = state.lines.get(name).await?;
    let from = model_of_line(state, &line.definition)?;
    let to = state
        .model(Some(model))
        .map_err(|error| error.at("model"))?;
    if to.name() == from {
        let message = format!("the line decides with {} already", quoted(&from));
        return Err(ApiError::new(Code::InvalidRequest, message).at("model"));
    }
    let mut definition = line.definition.clone();
    definition.model = Some(to.name().to_owned());
    let switch = Switch {
        line: &line,
        definition,
        from,
        to: to.name().to_owned(),
    };
    switch.make(state, What::Promoted, accept_weaker, who).await
}

/// Makes the model of before the one that decides, with the definition that the line had then.
///
/// # Errors
/// 409 `no_earlier_model`, `parts_not_scored`, `line_changed`; 404 `model_not_found` if the model was unloaded; and others.
pub async fn roll_back(state: &AppState, name: &str, who: &str) -> Result<Switched, ApiError> {
    let line = state.lines.get(name).await?;
    let from = model_of_line(state, &line.definition)?;
    let reviews = state.lines.store().await?;
    let versions = reviews.versions(name, MOST_VERSIONS).await;
    for (version, _) in versions.map_err(LineError::from)? {
        let definition: Definition = serde_json::from_str(&version.body)
            .map_err(ReviewError::from)
            .map_err(LineError::from)?;
        // One whose model or reference is gone cannot decide.
        let Ok(to) = model_of_line(state, &definition) else {
            continue;
        };
        if to != from {
            let switch = Switch {
                line: &line,
                definition,
                from,
                to,
            };
            // A person goes back because of what happens on the line, whatever the parts said.
            return switch.make(state, What::RolledBack, true, who).await;
        }
    }
    let message =
        "the line has had no other model that is loaded; load it, or promote the line to one";
    Err(ApiError::new(Code::NoEarlierModel, message))
}

/// The next version of a line, which has its calibration when it is stored.
pub(super) struct Switch<'a> {
    /// The line as it decides now.
    pub line: &'a Arc<Line>,
    /// What it compares with and promises next.
    pub definition: Definition,
    /// The model of now.
    pub from: String,
    /// The model of then.
    pub to: String,
}

impl Switch<'_> {
    /// Learns the references, calibrates, and stores the next version in one change.
    ///
    /// # Errors
    /// See [`promote`].
    pub async fn make(
        self,
        state: &AppState,
        why: What,
        accept_weaker: bool,
        who: &str,
    ) -> Result<Switched, ApiError> {
        let Self {
            line,
            definition,
            from,
            to,
        } = self;
        // The model learns the references before it decides.
        let model = state.model(Some(&to))?;
        for reference in definition.references() {
            let reference = state.references.get(reference)?;
            let options = EmbedOptions {
                images: reference.definition.image_options,
                ..EmbedOptions::default()
            };
            state
                .references
                .learnt_by(&reference, &model, options)
                .await?;
        }
        let reviews = state.lines.store().await?;
        let scored_by = line_scored_by(state, &definition)?;
        let unscored = reviews.unscored(&line.name, &scored_by).await;
        let unscored = unscored.map_err(LineError::from)?;
        if unscored.with_images > 0 {
            let message = format!(
                "{} has not scored {} labelled parts: POST /v1/lines/{}/rescore, or clip-in line rescore",
                quoted(&to),
                unscored.with_images,
                line.name
            );
            return Err(ApiError::new(Code::PartsNotScored, message));
        }
        let what = Calibrated {
            name: &line.name,
            version: line.version + 1,
            definition: &definition,
            audited: None,
        };
        let (report, stored) = calibration(state, who, what).await?;
        if let Some(lost) = line.calibrated().and_then(|now| report.lost(&now.in_force))
            && !accept_weaker
        {
            let message = format!("{lost}; with accept_weaker it is done all the same");
            return Err(ApiError::new(Code::PromiseLost, message));
        }
        let references = definition.references();
        let detail =
            json!({"version": stored.version, "from": from, "to": to, "references": references});
        let switched = state
            .lines
            .switch(line, &definition, &stored, (why, detail))
            .await?;
        // It stood beside the model of before.
        reviews
            .end_shadow(&line.name, who)
            .await
            .map_err(LineError::from)?;
        state.metrics.lines.drift(&line.name, false);
        Ok(Switched {
            line: switched,
            model: to,
            from,
            report,
        })
    }
}
