//! From a score to OK, NG or review.

use super::learn_then_test::Outcome;
use super::score::Score;

/// What the line says about a part.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Decision {
    /// Good, without a person.
    Ok,
    /// Not good, without a person.
    Ng,
    /// A person decides.
    Review(Reason),
}

/// Why a person decides.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Reason {
    /// The score is usual for both classes.
    Ambiguous,
    /// The score is unusual for both classes, or is not a number.
    UnlikeAnythingCalibrated,
    /// The promise that the decision would need does not hold.
    NotCalibrated,
}

impl Reason {
    /// As it is written in answers.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ambiguous => "ambiguous",
            Self::UnlikeAnythingCalibrated => "unlike anything calibrated",
            Self::NotCalibrated => "not calibrated",
        }
    }
}

/// The two thresholds of a line. One is missing where its promise is infeasible.
///
/// | score | both thresholds | only t_lo | only t_hi | none |
/// |---|---|---|---|---|
/// | below t_lo, and below t_hi | OK | OK | review: not calibrated | review: not calibrated |
/// | from t_lo on, and from t_hi on | NG | review: not calibrated | NG | review: not calibrated |
/// | from t_lo on, and below t_hi | review: ambiguous | | | |
/// | from t_hi on, and below t_lo | review: unlike anything calibrated | | | |
///
/// Where the classes are far apart, t_hi is below t_lo. Scores between them are higher than those of nearly all OK parts
/// and lower than those of nearly all NG parts. Both promises would allow a decision there, and a person makes it.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Thresholds {
    ok_below: Option<f64>,
    ng_from: Option<f64>,
}

impl Thresholds {
    pub(super) fn of(escape: &Outcome, overkill: &Outcome) -> Self {
        Self {
            ok_below: escape.threshold(),
            ng_from: overkill.threshold(),
        }
    }

    /// Thresholds that were stored.
    pub(super) fn stored(ok_below: Option<f64>, ng_from: Option<f64>) -> Self {
        Self { ok_below, ng_from }
    }

    /// t_lo: NG parts have scores below it rarely.
    pub fn ok_below(&self) -> Option<f64> {
        self.ok_below
    }

    /// t_hi: OK parts have scores from it on rarely.
    pub fn ng_from(&self) -> Option<f64> {
        self.ng_from
    }

    /// Decides. A part without a score (one of its images has none) goes to review.
    pub fn decide(&self, score: Option<Score>) -> Decision {
        let Some(score) = score.map(Score::value) else {
            return Decision::Review(Reason::UnlikeAnythingCalibrated);
        };
        let unlike_ng = self.ok_below.map(|threshold| score < threshold);
        let unlike_ok = self.ng_from.map(|threshold| score >= threshold);
        match (unlike_ng, unlike_ok) {
            (Some(true), Some(true)) => Decision::Review(Reason::UnlikeAnythingCalibrated),
            (Some(false), Some(false)) => Decision::Review(Reason::Ambiguous),
            (Some(true), _) => Decision::Ok,
            (_, Some(true)) => Decision::Ng,
            _ => Decision::Review(Reason::NotCalibrated),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decided(ok_below: Option<f64>, ng_from: Option<f64>) -> [Decision; 5] {
        let thresholds = Thresholds { ok_below, ng_from };
        [0.0, 1.0, 1.5, 2.0, 3.0].map(|score| thresholds.decide(Score::new(score)))
    }

    #[test]
    fn the_table_of_decisions() {
        use Decision::{Ng, Ok, Review};
        let [ambiguous, unlike, uncalibrated] = [
            Review(Reason::Ambiguous),
            Review(Reason::UnlikeAnythingCalibrated),
            Review(Reason::NotCalibrated),
        ];
        // A score that is equal to a threshold belongs to the upper side.
        assert_eq!(
            decided(Some(1.0), Some(2.0)),
            [Ok, ambiguous, ambiguous, Ng, Ng]
        );
        assert_eq!(decided(Some(2.0), Some(1.0)), [Ok, unlike, unlike, Ng, Ng]);
        assert_eq!(decided(Some(1.5), Some(1.5)), [Ok, Ok, Ng, Ng, Ng]);
        assert_eq!(
            decided(Some(1.0), None),
            [Ok, uncalibrated, uncalibrated, uncalibrated, uncalibrated]
        );
        assert_eq!(
            decided(None, Some(2.0)),
            [uncalibrated, uncalibrated, uncalibrated, Ng, Ng]
        );
        assert_eq!(decided(None, None), [uncalibrated; 5]);
    }

    #[test]
    fn a_part_without_a_score_is_never_decided() {
        let thresholds = Thresholds {
            ok_below: Some(1.0),
            ng_from: Some(2.0),
        };
        for images in [&[f64::NAN, 0.0][..], &[f64::INFINITY], &[]] {
            let decision = thresholds.decide(Score::of_part(images).ok());
            assert_eq!(decision, Decision::Review(Reason::UnlikeAnythingCalibrated));
        }
    }
}
