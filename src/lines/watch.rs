//! The monitors of a line's scores: whether parts are still those that it was calibrated with.

use sha2::{Digest, Sha256};

use crate::monitors::martingale::{Jumper, References};
use crate::monitors::stability::Stability;
use crate::promise::Score;

/// Scores of a window that is compared with the calibration.
const WINDOW: u64 = 1000;

/// What raised an alarm.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Monitor {
    /// The martingale: any change of the scores.
    Martingale,
    /// The stability index: a change of their distribution.
    Stability,
}

impl Monitor {
    /// As it is stored and shown.
    pub fn name(self) -> &'static str {
        match self {
            Self::Martingale => "martingale",
            Self::Stability => "stability",
        }
    }
}

/// The monitors. They depend on the calibration and on the scores since alone, so that they can be made again after a
/// restart.
#[derive(Debug, Clone)]
pub struct Watch {
    references: References,
    jumper: Jumper,
    stability: Option<Stability>,
    in_window: u64,
}

impl Watch {
    /// For scores of the OK calibration parts, ascending.
    pub fn new(ok_scores: &[Score]) -> Self {
        Self {
            references: References::new(ok_scores.to_vec()),
            jumper: Jumper::default(),
            stability: Stability::new(ok_scores),
            in_window: 0,
        }
    }

    /// Adds the score of an inspection, and says which monitor raises an alarm. Ties are broken by the id, so that the same
    /// inspections give the same alarms.
    pub fn observe(&mut self, id: &str, score: Option<Score>) -> Option<Monitor> {
        let p = score.map_or(0.0, |score| self.references.rank(score, share(id)));
        if self.jumper.observe(p) {
            return Some(Monitor::Martingale);
        }
        let (stability, score) = (self.stability.as_mut()?, score?);
        stability.add(score);
        self.in_window += 1;
        if self.in_window < WINDOW {
            return None;
        }
        let alarm = stability.compare().is_some_and(|compared| compared.alarm());
        stability.restart();
        self.in_window = 0;
        alarm.then_some(Monitor::Stability)
    }
}

/// A number in [0, 1) that depends on the id.
fn share(id: &str) -> f64 {
    let digest = Sha256::digest(id);
    let first = digest.iter().take(7);
    let number = first.fold(0_u64, |number, byte| number << 8 | u64::from(*byte)) >> 3;
    number as f64 / (1_u64 << 53) as f64
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::promise::drawn::scores;
    use fastrand::Rng;

    /// As they come on a line.
    fn unsorted(rng: &mut Rng, count: usize) -> Vec<Score> {
        let mut scores = scores(rng, count);
        rng.shuffle(&mut scores);
        scores
    }

    #[test]
    fn a_shift_is_seen_by_the_martingale_and_again_after_a_restart() {
        let mut rng = Rng::with_seed(4);
        let ok = scores(&mut rng, 600);
        let mut watch = Watch::new(&ok);
        let quiet = unsorted(&mut rng, 300);
        for (number, score) in quiet.iter().enumerate() {
            assert_eq!(watch.observe(&number.to_string(), Some(*score)), None);
        }
        let again = || {
            let mut watch = Watch::new(&ok);
            for (number, score) in quiet.iter().enumerate() {
                watch.observe(&number.to_string(), Some(*score));
            }
            (0..400).position(|number| {
                let score = quiet.get(number % 300).map(|score| score.value() + 1.5);
                watch.observe(&format!("shifted {number}"), score.and_then(Score::new))
                    == Some(Monitor::Martingale)
            })
        };
        let first = again();
        assert!(first.is_some_and(|delay| delay < 120), "{first:?}");
        assert_eq!(again(), first);
    }

    #[test]
    fn another_spread_is_seen_by_the_stability_index() {
        let mut rng = Rng::with_seed(6);
        let ok = scores(&mut rng, 2000);
        let mut watch = Watch::new(&ok);
        // Half of the spread: ranks have the same mean.
        let narrow: Vec<Option<Score>> = unsorted(&mut rng, 1000)
            .iter()
            .map(|score| Score::new(score.value() / 2.0))
            .collect();
        let alarm = (0_usize..)
            .zip(narrow)
            .find_map(|(number, score)| watch.observe(&number.to_string(), score));
        assert_eq!(alarm, Some(Monitor::Stability));
    }
}
