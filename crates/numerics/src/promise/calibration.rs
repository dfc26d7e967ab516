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
    "the calibration has {parts} {class} parts: give at most {MOST_PARTS} of a class, for example those of the last lots"
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

    /// Scores of the parts of a class, ascending.
    pub(super) fn scores(&self, class: Class) -> &[Score] {
        match class {
            Class::Ok => &self.ok,
            Class::Ng => &self.ng,
        }
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
        let of_class = |class| {
            let of_class = parts.iter().filter(move |part| part.class() == class);
            Sample::of(of_class.map(|part| (part.group(), part.score())))
        };
        let mut measured = Measured {
            ok: Decided::default(),
            ng: Decided::default(),
            ok_sample: of_class(Class::Ok),
            ng_sample: of_class(Class::Ng),
        };
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
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize)]
pub struct Measured {
    /// Parts that are OK.
    pub ok: Decided,
    /// Parts that are NG.
    pub ng: Decided,
    /// What the OK parts are worth.
    pub ok_sample: Sample,
    /// What the NG parts are worth.
    pub ng_sample: Sample,
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

    /// Clopper-Pearson upper bounds of escape and overkill, each with this confidence. As for the thresholds, parts of lots
    /// that differ count for less.
    pub fn bounds(&self, confidence: f64) -> (f64, f64) {
        let bound = |errors: usize, sample: Sample| {
            upper_bound(
                sample.independent,
                errors as f64 / sample.design_effect(),
                confidence,
            )
        };
        (
            bound(self.ng.ok, self.ng_sample),
            bound(self.ok.ng, self.ok_sample),
        )
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

#[cfg(test)]
mod tests {
    use super::super::part::{Declaration, Part};
    use super::*;

    /// Each part in a lot of its own.
    fn parts(class: Class, scores: impl Iterator<Item = f64>) -> Vec<CalibrationPart> {
        let declared = Declaration::new("test", "drawn").unwrap();
        scores
            .enumerate()
            .map(|(lot, score)| {
                Part::labelled(&declared, &lot.to_string(), &[score], class)
                    .unwrap()
                    .into()
            })
            .collect()
    }

    #[test]
    fn a_report_of_what_holds_what_does_not_and_what_follows() {
        let promise = Promise::new(0.02, 0.02, 0.05).unwrap();
        let ok = parts(Class::Ok, (0..300).map(f64::from));
        let ng = parts(Class::Ng, (200..300).map(f64::from));
        let calibration = Calibration::new(promise, &[ok.clone(), ng].concat()).unwrap();
        assert_eq!(
            calibration.escape(),
            Outcome::Infeasible {
                needs: 183,
                has: 100
            }
        );
        // 300 parts allow one error at 97.5 %: of the scores 298 and 299, the higher is rejected.
        let threshold = calibration.overkill().threshold().unwrap();
        assert!(threshold > 298.0 && threshold < 298.001, "{threshold}");
        let thresholds = calibration.thresholds();
        assert_eq!(thresholds.ok_below(), None);
        let decision = |score: f64| thresholds.decide(Score::new(score));
        assert_eq!(decision(299.0), Decision::Ng);
        assert!(matches!(decision(0.0), Decision::Review(_)));

        let ng = parts(Class::Ng, (200..500).map(f64::from));
        let calibration = Calibration::new(promise, &[ok, ng].concat()).unwrap();
        assert_eq!(calibration.thresholds().ok_below(), Some(201.0));
        let held_out = [
            parts(Class::Ok, [0.0, 100.0, 250.0, 299.0].into_iter()),
            parts(Class::Ng, [200.5, 400.0].into_iter()),
        ];
        let measured = calibration.measure(&held_out.concat());
        assert_eq!(
            measured.ok,
            Decided {
                ok: 2,
                ng: 1,
                review: 1
            }
        );
        assert_eq!(
            measured.ng,
            Decided {
                ok: 1,
                ng: 1,
                review: 0
            }
        );
        let rates = measured.rates().unwrap();
        assert_eq!(
            (rates.escape, rates.overkill, rates.ok_to_review),
            (0.5, 0.25, 0.25)
        );
        // scipy.stats.beta.ppf(0.95, 2, 1) and (0.95, 2, 3)
        let (escape, overkill) = measured.bounds(0.95);
        assert!((escape - 0.9746794344808963).abs() < 1e-9, "{escape}");
        assert!((overkill - 0.7513953742698181).abs() < 1e-9, "{overkill}");
        assert_eq!(calibration.measure(&held_out[0]).rates(), None);
    }

    #[test]
    fn more_parts_than_are_counted_are_refused() {
        let promise = Promise::new(0.02, 0.02, 0.05).unwrap();
        let too_many = parts(Class::Ng, (0..=MOST_PARTS).map(|_| 1.0));
        let error = Calibration::new(promise, &too_many).unwrap_err();
        let text = error.to_string();
        assert!(
            text.starts_with("the calibration has 100001 NG parts: give at most 100000"),
            "{text}"
        );
    }

    #[test]
    fn p_values_say_which_of_two_reasons() {
        let promise = Promise::new(0.05, 0.05, 0.05).unwrap();
        let calibrated = |ng: std::ops::Range<i32>| {
            let ok = parts(Class::Ok, (0..100).map(f64::from));
            let ng = parts(Class::Ng, ng.map(f64::from));
            Calibration::new(promise, &[ok, ng].concat()).unwrap()
        };
        // The classes overlap: both p-values of a score in the middle are large.
        let overlapping = calibrated(50..150);
        let p = overlapping.p_values(Score::new(75.0).unwrap());
        assert!(p.ok > 0.2 && p.ng > 0.2, "{p:?}");
        let ambiguous = Decision::Review(super::super::Reason::Ambiguous);
        assert_eq!(overlapping.thresholds().decide(Score::new(75.0)), ambiguous);
        // They are far apart: both are small.
        let apart = calibrated(300..400);
        let p = apart.p_values(Score::new(200.0).unwrap());
        assert!(p.ok < 0.01 && p.ng < 0.01, "{p:?}");
        let unlike = Decision::Review(super::super::Reason::UnlikeAnythingCalibrated);
        assert_eq!(apart.thresholds().decide(Score::new(200.0)), unlike);
        assert_eq!(apart.thresholds().decide(Score::new(50.0)), Decision::Ok);
        assert_eq!(apart.thresholds().decide(Score::new(350.0)), Decision::Ng);
    }
}
