//! A model that decides beside the one that a line has, so that both can be compared on live parts.

use serde::Serialize;
use serde_json::value::RawValue;
use utoipa::ToSchema;

use super::calibrate::{Calibrated, calibration};
use super::measure::{line_scored_by, measure, model_of_line};
use crate::api::{ApiError, AppState};
use crate::engine::{EmbedOptions, Lane};
use crate::error_code::Code;
use crate::lines::{LineError, Seen, Shadow, Shadowed};
use crate::promise::sign_test::SignTest;
use crate::quoted::quoted;
use crate::reviews::{ShadowCount, StoredShadow};

/// A shadow, and how it and the line have decided.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Shadow)]
pub struct ShadowStatus {
    object: &'static str,
    line: String,
    /// The model beside the line's.
    model: String,
    /// Share of the inspections that it decides, too.
    share: f64,
    /// Milliseconds since 1970.
    created: i64,
    /// False after it was ended.
    running: bool,
    /// Inspections that both have decided.
    inspections: i64,
    /// Those that they decided differently.
    differ: i64,
    /// Share of them that the line sent to review; null without any.
    #[schema(required)]
    line_to_review: Option<f64>,
    /// Share of them that the shadow would have sent to review.
    #[schema(required)]
    shadow_to_review: Option<f64>,
    /// Where they differ, what people said.
    judged: Judged,
    /// The report of the shadow's calibration.
    #[schema(value_type = Object)]
    calibration: Box<RawValue>,
}

/// Who is right where both differ, by verdicts of OK or NG. A right automatic decision is better than review, and review is
/// better than a wrong one.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = ShadowJudged)]
pub struct Judged {
    /// Inspections with a verdict on which the shadow is better.
    shadow_better: u64,
    /// Inspections with a verdict on which the line is better.
    line_better: u64,
    /// Two-sided p-value of the sign test; null without any.
    #[schema(required)]
    p: Option<f64>,
    /// 95 % interval of the share on which the shadow is better (Clopper-Pearson); null without any.
    #[schema(required)]
    share_better: Option<[f64; 2]>,
    /// NG parts that the shadow decides OK and the line does not.
    shadow_escapes: u64,
    /// NG parts that the line decided OK and the shadow does not.
    line_escapes: u64,
}

/// Starts a shadow of a line, with a calibration by the labelled parts as its model scored them.
///
/// # Errors
/// 409 `parts_not_scored`, 400 if the line has this model, and others.
pub async fn start_shadow(
    state: &AppState,
    name: &str,
    (model, share): (&str, f64),
    who: &str,
) -> Result<ShadowStatus, ApiError> {
    let line = state.lines.get(name).await?;
    let to = state
        .model(Some(model))
        .map_err(|error| error.at("model"))?;
    if to.name() == model_of_line(state, &line.definition)? {
        let message = format!("the line decides with {} already", quoted(to.name()));
        return Err(ApiError::new(Code::InvalidRequest, message).at("model"));
    }
    let mut definition = line.definition.clone();
    definition.model = Some(to.name().to_owned());
    let reviews = state.lines.store().await?;
    let scored_by = line_scored_by(state, &definition)?;
    let unscored = reviews.unscored(name, &scored_by).await;
    let unscored = unscored.map_err(LineError::from)?.with_images;
    if unscored > 0 {
        let message = format!(
            "{} has not scored {unscored} labelled parts: POST /v1/lines/{name}/rescore, or clip-in line rescore",
            quoted(to.name())
        );
        return Err(ApiError::new(Code::PartsNotScored, message));
    }
    let what = Calibrated {
        name,
        version: line.version,
        definition: &definition,
        audited: None,
    };
    let (_, stored) = calibration(state, who, what).await?;
    let shadow = StoredShadow {
        id: stored.id,
        created: stored.created,
        line: name.to_owned(),
        version: line.version,
        model: to.name().to_owned(),
        share,
        who: who.to_owned(),
        scored_by,
        report: stored.report,
        in_force: stored.in_force,
    };
    reviews
        .start_shadow(&shadow)
        .await
        .map_err(LineError::from)?;
    shadow_of(state, name).await
}

/// The shadow that a line has, or the last one that it had.
///
/// # Errors
/// 404 `shadow_not_found`, and others.
pub async fn shadow_of(state: &AppState, name: &str) -> Result<ShadowStatus, ApiError> {
    let line = state.lines.get(name).await?;
    let reviews = state.lines.store().await?;
    let found = reviews.last_shadow(&line.name).await;
    let (shadow, running) = found.map_err(LineError::from)?.ok_or_else(none)?;
    let counts = reviews.shadow_counts(&shadow.id).await;
    let counts = counts.map_err(LineError::from)?;
    let sum = |of: &dyn Fn(&ShadowCount) -> bool| {
        let counted = counts.iter().filter(|count| of(count));
        counted.map(|count| count.inspections).sum::<i64>()
    };
    let inspections = sum(&|_| true);
    let share = |of: i64| (inspections > 0).then(|| of as f64 / inspections as f64);
    let calibration = RawValue::from_string(shadow.report);
    let calibration = calibration.map_err(|error| LineError::Store(error.into()))?;
    Ok(ShadowStatus {
        object: "shadow",
        line: line.name.clone(),
        model: shadow.model,
        share: shadow.share,
        created: shadow.created,
        // One beside another version decides nothing any more.
        running: running && shadow.version == line.version,
        inspections,
        differ: sum(&|count| count.line != count.shadow),
        line_to_review: share(sum(&|count| count.line == "review")),
        shadow_to_review: share(sum(&|count| count.shadow == "review")),
        judged: judged(&counts),
        calibration,
    })
}

/// The error if a line has no shadow.
pub fn none() -> ApiError {
    let message = "the line has no shadow; POST to this path starts one";
    ApiError::new(Code::ShadowNotFound, message).at("line")
}

/// Has a shadow decide an inspection. Returns `agree`, `differ` or `stale`.
///
/// # Errors
/// [`ApiError`].
pub async fn shadow_decides(state: &AppState, next: Shadowed) -> Result<&'static str, ApiError> {
    let Shadowed {
        shadow,
        inspection,
        decided,
        drift,
        images,
    } = next;
    let options = EmbedOptions {
        lane: Lane::Bulk,
        ..EmbedOptions::default()
    };
    let measured = measure(state, &shadow.definition, &images, options).await?;
    let seen = Seen {
        camera: measured.wrong_shape,
        pose: measured.pose,
        drift,
        ..Seen::default()
    };
    let known = (&*measured.scored_by, measured.evidence);
    let Some((by_shadow, score)) = Shadow::judge(&shadow, known, seen, &measured.cameras) else {
        return Ok("stale");
    };
    let differs = by_shadow != decided;
    let reviews = state.lines.store().await?;
    let decision = (by_shadow.name(), score);
    let added = reviews.add_shadow_decision(&shadow.id, &inspection, decision, differs);
    added.await.map_err(LineError::from)?;
    Ok(if differs { "differ" } else { "agree" })
}

fn judged(counts: &[ShadowCount]) -> Judged {
    let (mut shadow_better, mut line_better) = (0, 0);
    let (mut shadow_escapes, mut line_escapes) = (0, 0);
    for count in counts {
        if !["ok", "ng"].contains(&count.verdict.as_str()) {
            continue;
        }
        let worth = |decision: &str| match decision {
            "review" => 1,
            decision if decision == count.verdict => 2,
            _ => 0,
        };
        let inspections = u64::try_from(count.inspections).unwrap_or_default();
        match worth(&count.shadow).cmp(&worth(&count.line)) {
            std::cmp::Ordering::Greater => shadow_better += inspections,
            std::cmp::Ordering::Less => line_better += inspections,
            std::cmp::Ordering::Equal => {}
        }
        let escapes = |decision: &str| decision == "ok" && count.verdict == "ng";
        match (escapes(&count.shadow), escapes(&count.line)) {
            (true, false) => shadow_escapes += inspections,
            (false, true) => line_escapes += inspections,
            _ => {}
        }
    }
    let test = SignTest::of(shadow_better, line_better);
    Judged {
        shadow_better,
        line_better,
        p: test.map(|test| test.p),
        share_better: test.map(|test| [test.low, test.high]),
        shadow_escapes,
        line_escapes,
    }
}
