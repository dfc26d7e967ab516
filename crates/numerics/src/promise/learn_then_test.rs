//! Learn then test (Angelopoulos et al., 2021, arXiv 2110.01052): a threshold whose error rate is at most α with
//! confidence 1 − δ/2, whatever the distribution of the scores.
//!
//! The threshold starts where no part is wrong and moves up while the binomial test still shows a rate of at most α. It
//! stops at the first test that fails. The error rate grows with the threshold, so the many tests cost nothing.

use super::binomial::{needed_without_error, tail, upper_bound};
use super::lots::Sample;
use super::score::Score;

/// What one promise can have of its calibration parts.
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize)]
#[serde(tag = "state", rename_all = "lowercase")]
pub enum Outcome {
    /// The promise holds with its confidence.
    Holds {
        /// t_lo: scores below are OK; or t_hi: scores from it on are NG.
        threshold: f64,
        /// Calibration parts of the class that are on the wrong side of it.
        errors: usize,
        /// Clopper-Pearson upper bound of the error rate; at most α.
        bound: f64,
    },
    /// There are too few parts: no threshold keeps the promise.
    Infeasible {
        /// Number of independent parts of the class without error that the promise needs.
        needs: u64,
        /// Number of independent parts that the calibration has.
        has: u64,
    },
}

impl Outcome {
    /// The threshold, if the promise holds.
    pub fn threshold(&self) -> Option<f64> {
        match self {
            Self::Holds { threshold, .. } => Some(*threshold),
            Self::Infeasible { .. } => None,
        }
    }
}

/// The highest threshold t so that P(score < t) ≤ `rate` with this confidence. `sorted` are the scores of one class,
/// ascending; parts below t are the errors. A part whose score is t itself is none.
pub(super) fn highest_threshold(
    sorted: &[Score],
    sample: &Sample,
    rate: f64,
    confidence: f64,
) -> Outcome {
    let (parts, effect) = (sample.independent, sample.design_effect());
    let passes = |errors: usize| tail(parts, errors as f64 / effect, rate) <= 1.0 - confidence;
    // With `allowed` errors the threshold is the score of the next part, which is no error any more.
    let allowed = (0..sorted.len())
        .take_while(|errors| passes(*errors))
        .last();
    let threshold = allowed.and_then(|allowed| sorted.get(allowed));
    let Some(threshold) = threshold else {
        let needs = needed_without_error(rate, confidence);
        return Outcome::Infeasible {
            needs,
            has: parts as u64,
        };
    };
    // Among equal scores, fewer are below the threshold than are allowed.
    let errors = sorted.partition_point(|score| score < threshold);
    Outcome::Holds {
        threshold: threshold.value(),
        errors,
        bound: upper_bound(parts, errors as f64 / effect, confidence),
    }
}

/// The lowest threshold t so that P(score ≥ t) ≤ `rate` with this confidence: the mirror image of
/// [`highest_threshold`]. It lies directly above the score of a part.
pub(super) fn lowest_threshold(
    sorted: &[Score],
    sample: &Sample,
    rate: f64,
    confidence: f64,
) -> Outcome {
    let mirrored: Vec<Score> = sorted
        .iter()
        .rev()
        .filter_map(|score| Score::new(-score.value()))
        .collect();
    match highest_threshold(&mirrored, sample, rate, confidence) {
        Outcome::Holds {
            threshold,
            errors,
            bound,
        } => Outcome::Holds {
            threshold: (-threshold).next_up(),
            errors,
            bound,
        },
        infeasible @ Outcome::Infeasible { .. } => infeasible,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scores(values: impl IntoIterator<Item = f64>) -> Vec<Score> {
        let mut scores: Vec<_> = values.into_iter().map(|v| Score::new(v).unwrap()).collect();
        scores.sort_unstable();
        scores
    }

    fn independent(sorted: &[Score]) -> Sample {
        let parts = sorted.len();
        Sample {
            parts,
            lots: parts,
            independent: parts as f64,
        }
    }

    fn highest(sorted: &[Score], rate: f64) -> Outcome {
        highest_threshold(sorted, &independent(sorted), rate, 0.975)
    }

    fn lowest(sorted: &[Score], rate: f64) -> Outcome {
        lowest_threshold(sorted, &independent(sorted), rate, 0.975)
    }

    #[test]
    fn the_threshold_is_the_score_of_the_first_part_that_is_not_allowed_to_be_wrong() {
        // 183 parts allow no error at 2 %, and 313 allow 2 at 95 % but only 1 at 97.5 %.
        let sorted = scores((0..183).map(f64::from));
        let Outcome::Holds {
            threshold,
            errors,
            bound,
        } = highest(&sorted, 0.02)
        else {
            panic!("infeasible")
        };
        assert_eq!((threshold, errors), (0.0, 0));
        assert!(bound <= 0.02 && bound > 0.0199, "{bound}");
        let sorted = scores((0..313).map(f64::from));
        assert_eq!(highest(&sorted, 0.02).threshold(), Some(1.0));
    }

    #[test]
    fn one_part_less_gives_no_threshold() {
        for (rate, needs) in [(0.05, 72), (0.02, 183), (0.01, 368), (0.005, 736)] {
            let sorted = scores((1..needs).map(|n| n as f64));
            let outcome = Outcome::Infeasible {
                needs,
                has: needs - 1,
            };
            assert_eq!(highest(&sorted, rate), outcome);
            assert_eq!(lowest(&sorted, rate), outcome);
            let sorted = scores((0..needs).map(|n| n as f64));
            assert!(highest(&sorted, rate).threshold().is_some());
            assert!(lowest(&sorted, rate).threshold().is_some());
        }
        assert_eq!(
            highest(&[], 0.05),
            Outcome::Infeasible { needs: 72, has: 0 }
        );
    }

    #[test]
    fn equal_scores_are_on_one_side_together() {
        // 1000 parts allow 11 errors at 2 %: the 12th lowest score is the threshold. Here 20 parts share the lowest one.
        let sorted = scores([[1.0; 20].as_slice(), &[2.0; 980]].concat());
        let Outcome::Holds {
            threshold, errors, ..
        } = highest(&sorted, 0.02)
        else {
            panic!("infeasible")
        };
        assert_eq!((threshold, errors), (1.0, 0));
        let sorted = scores([[1.0; 5].as_slice(), &[2.0; 995]].concat());
        let Outcome::Holds {
            threshold, errors, ..
        } = highest(&sorted, 0.02)
        else {
            panic!("infeasible")
        };
        assert_eq!((threshold, errors), (2.0, 5));
        // The mirror image: no part with the highest score is rejected, because all of them would be.
        let sorted = scores([[1.0; 980].as_slice(), &[2.0; 20]].concat());
        let Outcome::Holds {
            threshold, errors, ..
        } = lowest(&sorted, 0.02)
        else {
            panic!("infeasible")
        };
        assert!(threshold > 2.0 && threshold < 2.0 + 1e-15);
        assert_eq!(errors, 0);
    }

    #[test]
    fn alike_lots_count_for_less() {
        let sorted = scores((0..1000).map(f64::from));
        let lots = Sample {
            parts: 1000,
            lots: 100,
            independent: 200.0,
        };
        let Outcome::Holds { threshold, .. } = highest_threshold(&sorted, &lots, 0.02, 0.975)
        else {
            panic!("infeasible")
        };
        assert!(threshold < highest(&sorted, 0.02).threshold().unwrap());
        let lots = Sample {
            parts: 1000,
            lots: 100,
            independent: 182.4,
        };
        let outcome = highest_threshold(&sorted, &lots, 0.02, 0.975);
        assert_eq!(
            outcome,
            Outcome::Infeasible {
                needs: 183,
                has: 182
            }
        );
    }
}
