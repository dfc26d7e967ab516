//! What a calibrated line decides with, in a form that can be stored.

use serde::{Deserialize, Serialize};

use super::calibration::Calibration;
use super::conformal::PValues;
use super::decision::{Decision, Thresholds};
use super::part::Class;
use super::score::Score;

/// Thresholds, and the scores of the calibration parts. It decides, and calibrates nothing: no [`Calibration`] can be made
/// of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Stored", into = "Stored")]
pub struct InForce {
    thresholds: Thresholds,
    ok: Vec<Score>,
    ng: Vec<Score>,
}

/// Numbers as their bits: as decimal digits they might be read as their neighbours.
#[derive(Serialize, Deserialize)]
struct Stored {
    ok_below: Option<u64>,
    ng_from: Option<u64>,
    ok: Vec<u64>,
    ng: Vec<u64>,
}

impl From<&Calibration> for InForce {
    fn from(calibration: &Calibration) -> Self {
        Self {
            thresholds: calibration.thresholds(),
            ok: calibration.scores(Class::Ok).to_vec(),
            ng: calibration.scores(Class::Ng).to_vec(),
        }
    }
}

impl From<InForce> for Stored {
    fn from(in_force: InForce) -> Self {
        let bits = |scores: &[Score]| scores.iter().map(|score| score.value().to_bits()).collect();
        Self {
            ok_below: in_force.thresholds.ok_below().map(f64::to_bits),
            ng_from: in_force.thresholds.ng_from().map(f64::to_bits),
            ok: bits(&in_force.ok),
            ng: bits(&in_force.ng),
        }
    }
}

impl TryFrom<Stored> for InForce {
    type Error = &'static str;

    fn try_from(stored: Stored) -> Result<Self, Self::Error> {
        let scores = |bits: Vec<u64>| -> Result<Vec<Score>, Self::Error> {
            let scores: Option<Vec<_>> = bits
                .into_iter()
                .map(|bits| Score::new(f64::from_bits(bits)))
                .collect();
            let scores = scores.ok_or("a score is not a number")?;
            let sorted = scores.is_sorted().then_some(scores);
            sorted.ok_or("scores are not in order")
        };
        let threshold = |bits: Option<u64>| match bits.map(f64::from_bits) {
            Some(threshold) if !threshold.is_finite() => Err("a threshold is not a number"),
            other => Ok(other),
        };
        Ok(Self {
            thresholds: Thresholds::stored(threshold(stored.ok_below)?, threshold(stored.ng_from)?),
            ok: scores(stored.ok)?,
            ng: scores(stored.ng)?,
        })
    }
}

impl InForce {
    /// Decides. A part without a score goes to review.
    pub fn decide(&self, score: Option<Score>) -> Decision {
        self.thresholds.decide(score)
    }

    /// The thresholds.
    pub fn thresholds(&self) -> Thresholds {
        self.thresholds
    }

    /// How usual a score is in each class.
    pub fn p_values(&self, score: Score) -> PValues {
        PValues::of(score, &self.ok, &self.ng)
    }

    /// Scores of the OK parts, ascending: what monitors compare with.
    pub fn ok_scores(&self) -> &[Score] {
        &self.ok
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::promise::{CalibrationPart, Declaration, Part, Promise};

    #[test]
    fn what_is_stored_decides_alike_to_the_last_bit() {
        let declared = Declaration::new("test", "drawn").unwrap();
        let mut rng = fastrand::Rng::with_seed(5);
        let parts: Vec<CalibrationPart> = (0..400)
            .map(|lot| {
                let class = if lot % 2 == 0 { Class::Ok } else { Class::Ng };
                let shift = if class == Class::Ng { 0.7 } else { 0.0 };
                let score = [rng.f64() / 3.0 + shift];
                let part = Part::labelled(&declared, &lot.to_string(), &score, class);
                part.unwrap().into()
            })
            .collect();
        let promise = Promise::new(0.05, 0.05, 0.05).unwrap();
        let calibration = Calibration::new(promise, &parts).unwrap();
        let in_force = InForce::from(&calibration);
        let text = serde_json::to_string(&in_force).unwrap();
        let read: InForce = serde_json::from_str(&text).unwrap();
        assert_eq!(read, in_force);
        for part in &parts {
            let score = part.score();
            let decision = calibration.thresholds().decide(Some(score));
            assert_eq!(read.decide(Some(score)), decision);
            assert_eq!(read.p_values(score), calibration.p_values(score));
        }
        let infinite = f64::INFINITY.to_bits();
        for wrong in [
            format!(r#"{{"ok_below":null,"ng_from":null,"ok":[{infinite}],"ng":[]}}"#),
            format!(r#"{{"ok_below":{infinite},"ng_from":null,"ok":[],"ng":[]}}"#),
            format!(
                r#"{{"ok_below":null,"ng_from":null,"ok":[],"ng":[{},0]}}"#,
                1_f64.to_bits()
            ),
        ] {
            assert!(serde_json::from_str::<InForce>(&wrong).is_err(), "{wrong}");
        }
    }
}
