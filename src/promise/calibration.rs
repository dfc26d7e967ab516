//! A line's calibration: thresholds for both promises, and what they do with other parts.

use super::binomial::{MOST_PARTS, upper_bound};
use super::conformal::PValues;
use super::decision::{Decision, Thresholds};
use super::learn_then_test::{Outcome, highest_threshold, lowest_threshold};
use super::lots::Sample;
use super::part::{CalibrationPart, Class};
use super::score::Score;
use super::settings::Promise;

/// Calibrated thresholds with the scores that they come from.
#[derive(Debug, Clone, PartialEq)]
pub struct Calibration {
    promise: Promise,
    ok: Vec<Score>,
    ng: Vec<Score>,
    ok_sample: Sample,
    ng_sample: Sample,
    escape: Outcome,
    overkill: Outcome,
    thresholds: Thresholds,
}

/// A class has too many parts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "the calibration has {parts} {class:?} parts: give at most {MOST_PARTS} of a class, for example those of the last lots"
)]
pub struct TooManyParts {
    /// Which class.
    pub class: Class,
    /// How many it has.
    pub parts: usize,
}

impl Calibration {
    /// Calibrates. Too few parts are no error: [`Self::escape`] and [`Self::overkill`] say what is infeasible.
    ///
    /// The parts are those of the split's calibration set ([`super::Split`]): neither the model nor its weights nor the
    /// statements may have been chosen with them.
    ///
    /// # Errors
    /// If a class has more than 100,000 parts.
    pub fn new(promise: Promise, parts: &[CalibrationPart]) -> Result<Self, TooManyParts> {
        let (ok, ok_sample) = sorted(parts, Class::Ok)?;
        let (ng, ng_sample) = sorted(parts, Class::Ng)?;
        let confidence = promise.confidence_of_each();
        let escape = highest_threshold(&ng, &ng_sample, promise.escape(), confidence);
        let overkill = lowest_threshold(&ok, &ok_sample, promise.overkill(), confidence);
        let thresholds = Thresholds::of(&escape, &overkill);
        Ok(Self {
            promise,
            ok,
            ng,
            ok_sample,
            ng_sample,
            escape,
            overkill,
            thresholds,
        })
    }

    /// What was asked for.
    pub fn promise(&self) -> Promise {
        self.promise
    }

    /// The promise about NG parts, with t_lo.
    pub fn escape(&self) -> Outcome {
        self.escape
    }

    /// The promise about OK parts, with t_hi.
    pub fn overkill(&self) -> Outcome {
        self.overkill
    }

    /// What the parts of a class are worth.
    pub fn sample(&self, class: Class) -> Sample {
        match class {
            Class::Ok => self.ok_sample,
            Class::Ng => self.ng_sample,
        }
    }

    /// Scores of the OK parts, ascending: what monitors compare with.
    pub fn ok_scores(&self) -> &[Score] {
        &self.ok
    }

    /// The thresholds.
    pub fn thresholds(&self) -> Thresholds {
        self.thresholds
    }

    /// How usual a score is in each class.
    pub fn p_values(&self, score: Score) -> PValues {
        PValues::of(score, &self.ok, &self.ng)
    }

    /// Decides about parts whose class is known, for example those of the held-out set.
    pub fn measure(&self, parts: &[CalibrationPart]) -> Measured {
        let mut measured = Measured::default();
        for part in parts {
            let counts = match part.class() {
                Class::Ok => &mut measured.ok,
                Class::Ng => &mut measured.ng,
            };
            match self.thresholds.decide(Some(part.score())) {
                Decision::Ok => counts.ok += 1,
                Decision::Ng => counts.ng += 1,
                Decision::Review(_) => counts.review += 1,
            }
        }
        measured
    }
}

fn sorted(parts: &[CalibrationPart], class: Class) -> Result<(Vec<Score>, Sample), TooManyParts> {
    let of_class = || parts.iter().filter(|part| part.class() == class);
    let count = of_class().count();
    if count > MOST_PARTS {
        return Err(TooManyParts {
            class,
            parts: count,
        });
    }
    let sample = Sample::of(of_class().map(|part| (part.group(), part.score())));
    let mut scores: Vec<Score> = of_class().map(CalibrationPart::score).collect();
    scores.sort_unstable();
    Ok((scores, sample))
}

/// How parts of one class were decided.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Serialize)]
pub struct Decided {
    /// Decided OK.
    pub ok: usize,
    /// Decided NG.
    pub ng: usize,
    /// Sent to review.
    pub review: usize,
}

impl Decided {
    /// All of them.
    pub fn parts(&self) -> usize {
        self.ok + self.ng + self.review
    }
}

/// How parts of both classes were decided.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Serialize)]
pub struct Measured {
    /// Parts that are OK.
    pub ok: Decided,
    /// Parts that are NG.
    pub ng: Decided,
}

impl Measured {
    /// The shares, or `None` if a class has no part.
    pub fn rates(&self) -> Option<Rates> {
        if self.ok.parts() == 0 || self.ng.parts() == 0 {
            return None;
        }
        let share = |count: usize, of: Decided| count as f64 / of.parts() as f64;
        Some(Rates {
            escape: share(self.ng.ok, self.ng),
            overkill: share(self.ok.ng, self.ok),
            ok_to_review: share(self.ok.review, self.ok),
            ng_to_review: share(self.ng.review, self.ng),
        })
    }

    /// Clopper-Pearson upper bounds of escape and overkill, each with this confidence, for independent parts.
    pub fn bounds(&self, confidence: f64) -> (f64, f64) {
        let bound =
            |errors: usize, of: Decided| upper_bound(of.parts() as f64, errors as f64, confidence);
        (bound(self.ng.ok, self.ng), bound(self.ok.ng, self.ok))
    }
}

/// Shares of the parts of a class, from 0 to 1.
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize)]
pub struct Rates {
    /// NG parts that are decided OK.
    pub escape: f64,
    /// OK parts that are decided NG.
    pub overkill: f64,
    /// OK parts that go to review.
    pub ok_to_review: f64,
    /// NG parts that go to review.
    pub ng_to_review: f64,
}
