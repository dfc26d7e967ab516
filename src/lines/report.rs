//! Calibrates a line, and says what holds, what does not, and what follows.

use serde::Serialize;
use utoipa::ToSchema;

use super::definition::{Definition, Promised};
use super::error::LineError;
use super::load::ToUse;
use crate::monitors::camera::Figures;
use crate::promise::{
    Calibration, CalibrationPart, Class, Consequences, InForce, Measured, Outcome, Rates, Sample,
    Split, Weights,
};
use crate::reviews::ReviewError;

/// Pictures whose figures are kept for the camera's limits, at most.
const MOST_PICTURES: usize = 1000;

/// What a calibration has.
#[derive(Debug)]
pub struct Calibrating<'a> {
    /// The line's name.
    pub name: &'a str,
    /// The version that is calibrated.
    pub version: i64,
    /// What it promises, among others.
    pub definition: &'a Definition,
    /// How lots are divided.
    pub split: &'a Split,
    /// All parts that may calibrate it.
    pub parts: Vec<CalibrationPart>,
    /// Figures of their pictures.
    pub camera: Vec<Figures>,
    /// Who declared which parts as labelled as they came.
    pub declared: Vec<Declared>,
    /// Labelled parts that another model or another version of the reference scored: they are not used.
    pub left_out: u64,
    /// How their scores were made.
    pub weights: Weights,
}

/// A statement that parts were labelled as they came, and not because of what the line decided.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Declared {
    /// The name of the key; "" without keys.
    pub who: String,
    /// Which parts.
    pub what: String,
    /// Number of them.
    pub parts: usize,
}

/// What a person reads.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[schema(as = CalibrationReport)]
pub struct Report {
    object: &'static str,
    /// The calibration's id.
    pub id: String,
    line: String,
    version: i64,
    /// Milliseconds since 1970.
    created: i64,
    who: String,
    promise: Promised,
    declared: Vec<Declared>,
    parts: Sets,
    /// `state` is `holds`, with `threshold`, `errors` and `bound`, or `infeasible`, with `needs` and `has`.
    #[schema(value_type = Object)]
    escape: PromiseReport,
    /// As `escape`.
    #[schema(value_type = Object)]
    overkill: PromiseReport,
    thresholds: ThresholdsReport,
    /// How a score is made of the change and of the statements, fitted on the parts in `fit`.
    #[schema(value_type = Object)]
    weights: Weights,
    /// Decisions about the parts that were held out; null without any.
    #[schema(required, value_type = Option<Object>)]
    held_out: Option<HeldOut>,
    /// What follows at the line's defect rate; null without one.
    #[schema(required, value_type = Option<Object>)]
    consequences: Option<ConsequencesReport>,
    /// Pictures that the camera's limits are made of.
    camera_pictures: usize,
}

#[derive(Debug, Clone, Serialize, ToSchema)]
#[schema(as = CalibrationSets)]
struct Sets {
    fit: Counts,
    calibrate: Counts,
    held_out: Counts,
    /// See [`Calibrating::left_out`].
    left_out: u64,
}

#[derive(Debug, Clone, Copy, Serialize, ToSchema)]
#[schema(as = CalibrationCounts)]
struct Counts {
    ok: usize,
    ng: usize,
}

#[derive(Debug, Clone, Serialize)]
struct PromiseReport {
    #[serde(flatten)]
    outcome: Outcome,
    sample: Sample,
    /// In one sentence.
    text: String,
}

#[derive(Debug, Clone, Copy, Serialize, ToSchema)]
#[schema(as = CalibrationThresholds)]
struct ThresholdsReport {
    /// Lower scores are OK; null: no score is.
    #[schema(required)]
    ok_below: Option<f64>,
    /// Scores from it on are NG; null: no score is.
    #[schema(required)]
    ng_from: Option<f64>,
}

#[derive(Debug, Clone, Serialize)]
struct HeldOut {
    #[serde(flatten)]
    measured: Measured,
    rates: Option<Rates>,
    /// Clopper-Pearson upper bounds with the confidence of the promises.
    escape_bound: f64,
    overkill_bound: f64,
}

#[derive(Debug, Clone, Serialize)]
struct ConsequencesReport {
    defect_rate: f64,
    /// `held_out`, or `calibrate` if no lot is held out: then they look better than they are.
    measured_on: &'static str,
    #[serde(flatten)]
    follows: Consequences,
}

/// Calibrates. Returns the report, and what is stored to decide with.
///
/// # Errors
/// [`LineError`]; too few parts are none.
pub fn calibrate(
    with: Calibrating<'_>,
    (id, created, who): (&str, i64, &str),
) -> Result<(Report, String), LineError> {
    let definition = with.definition;
    let promise = definition.promised()?;
    let divided = with.split.divide(with.parts);
    let calibration = Calibration::new(promise, &divided.calibrate)?;
    let [fit, calibrate, held_out] = divided.counts().map(|(ok, ng)| Counts { ok, ng });
    let measured = calibration.measure(&divided.held_out);
    let confidence = promise.confidence_of_each();
    let bounds = measured.bounds(confidence);
    let is_held_out = held_out.ok + held_out.ng > 0;
    let consequences = definition.defect_rate.and_then(|defect_rate| {
        let on_calibration = || calibration.measure(&divided.calibrate).rates();
        let (rates, measured_on) = match measured.rates() {
            Some(rates) => (rates, "held_out"),
            None => (on_calibration()?, "calibrate"),
        };
        Some(ConsequencesReport {
            defect_rate,
            measured_on,
            follows: Consequences::at(defect_rate, &rates)?,
        })
    });
    let mut camera = with.camera;
    camera.truncate(MOST_PICTURES);
    let thresholds = calibration.thresholds();
    let report = Report {
        object: "calibration",
        id: id.to_owned(),
        line: with.name.to_owned(),
        version: with.version,
        created,
        who: who.to_owned(),
        promise: definition.promise,
        declared: with.declared,
        parts: Sets {
            fit,
            calibrate,
            held_out,
            left_out: with.left_out,
        },
        escape: promise_report(&calibration, Class::Ng, promise.escape()),
        overkill: promise_report(&calibration, Class::Ok, promise.overkill()),
        thresholds: ThresholdsReport {
            ok_below: thresholds.ok_below(),
            ng_from: thresholds.ng_from(),
        },
        weights: with.weights,
        held_out: is_held_out.then(|| HeldOut {
            rates: measured.rates(),
            escape_bound: bounds.0,
            overkill_bound: bounds.1,
            measured,
        }),
        consequences,
        camera_pictures: camera.len(),
    };
    let to_use = ToUse {
        decides: (&calibration).into(),
        camera,
        weights: with.weights,
    };
    let to_use = serde_json::to_string(&to_use).map_err(ReviewError::from)?;
    Ok((report, to_use))
}

impl Report {
    /// A promise that holds now and would not any more, in words.
    pub fn lost(&self, now: &InForce) -> Option<String> {
        let thresholds = now.thresholds();
        let escape = thresholds.ok_below().is_some() && self.thresholds.ok_below.is_none();
        let overkill = thresholds.ng_from().is_some() && self.thresholds.ng_from.is_none();
        if escape {
            Some(format!("escape: {}", self.escape.text))
        } else {
            overkill.then(|| format!("overkill: {}", self.overkill.text))
        }
    }
}

fn promise_report(calibration: &Calibration, class: Class, rate: f64) -> PromiseReport {
    let (outcome, automatic) = match class {
        Class::Ng => (calibration.escape(), "OK"),
        Class::Ok => (calibration.overkill(), "NG"),
    };
    let sample = calibration.sample(class);
    let confidence = 100.0 * calibration.promise().confidence_of_each();
    let percent = 100.0 * rate;
    let text = match outcome {
        Outcome::Holds { bound, errors, .. } => format!(
            "holds: at most {percent} % of {class} parts are decided {automatic}, with {confidence} % confidence \
             ({errors} of {} parts, bound {:.3} %)",
            sample.parts,
            100.0 * bound
        ),
        Outcome::Infeasible { needs, has } => format!(
            "infeasible: needs {needs} {class} parts, has {has}; no part is decided {automatic}"
        ),
    };
    PromiseReport {
        outcome,
        sample,
        text,
    }
}
