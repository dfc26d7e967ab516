//! Population stability index: how far a window of scores is from the OK calibration parts.
//!
//! The usual limit of 0.1 is wrong for small windows and blind for large ones. Without a change, PSI · 1/(1/n + 1/m) is
//! about χ²-distributed with one degree of freedom less than there are bins (n scores in the window, m references). So the
//! limit is its 99.9 % quantile: 27.9 · (1/n + 1/m) with ten bins.

use statrs::distribution::{ChiSquared, ContinuousCDF};

use crate::promise::Score;

/// Smallest window and smallest number of references that are compared.
pub const FEWEST: u64 = 500;
/// Bins, as far as scores differ.
const BINS: usize = 10;
/// Probability that an unchanged line is not reported.
const CONFIDENCE: f64 = 0.999;

/// Bins of the references, and a window of scores.
#[derive(Debug, Clone, PartialEq)]
pub struct Stability {
    /// Lower edges of all bins but the first, ascending.
    edges: Vec<f64>,
    references: Vec<u64>,
    window: Vec<u64>,
    limit: f64,
}

/// A window in comparison.
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize)]
pub struct Compared {
    /// The index: 0 for equal distributions.
    pub psi: f64,
    /// What it exceeds once in 1,000 windows without a change.
    pub limit: f64,
}

impl Compared {
    /// Whether scores have changed.
    pub fn alarm(&self) -> bool {
        self.psi > self.limit
    }
}

impl Stability {
    /// Bins with equally many references each, as far as scores differ. `sorted` are the scores of OK calibration parts,
    /// ascending. `None` with fewer than [`FEWEST`] of them, or if nearly all are equal.
    pub fn new(sorted: &[Score]) -> Option<Self> {
        if (sorted.len() as u64) < FEWEST {
            return None;
        }
        let mut edges: Vec<f64> = (1..BINS)
            .filter_map(|bin| sorted.get(bin * sorted.len() / BINS))
            .map(|score| score.value())
            .collect();
        edges.dedup();
        // No reference is below the lowest score.
        edges.retain(|edge| sorted.first().is_some_and(|lowest| lowest.value() < *edge));
        let limit = ChiSquared::new(edges.len() as f64)
            .ok()?
            .inverse_cdf(CONFIDENCE);
        let bins = edges.len() + 1;
        let mut stability = Self {
            edges,
            references: vec![0; bins],
            window: vec![0; bins],
            limit,
        };
        for score in sorted {
            stability.add(*score);
        }
        std::mem::swap(&mut stability.references, &mut stability.window);
        Some(stability)
    }

    /// Adds a score to the window.
    pub fn add(&mut self, score: Score) {
        let bin = self.edges.partition_point(|edge| *edge <= score.value());
        if let Some(count) = self.window.get_mut(bin) {
            *count += 1;
        }
    }

    /// Compares the window, or `None` with fewer than [`FEWEST`] scores.
    pub fn compare(&self) -> Option<Compared> {
        let (n, m) = (
            self.window.iter().sum::<u64>(),
            self.references.iter().sum::<u64>(),
        );
        if n < FEWEST {
            return None;
        }
        // Half a score more in each bin: an empty one is no infinite distance.
        let bins = self.window.len() as f64;
        let share = |count: u64, of: u64| (count as f64 + 0.5) / (of as f64 + 0.5 * bins);
        let psi = self
            .window
            .iter()
            .zip(&self.references)
            .map(|(now, before)| {
                let (now, before) = (share(*now, n), share(*before, m));
                (now - before) * (now / before).ln()
            });
        Some(Compared {
            psi: psi.sum(),
            limit: self.limit * (1.0 / n as f64 + 1.0 / m as f64),
        })
    }

    /// Starts a new window.
    pub fn restart(&mut self) {
        self.window.fill(0);
    }
}

#[cfg(test)]
mod tests {
    use fastrand::Rng;

    use super::*;
    use crate::promise::drawn::{normal, scores};

    fn alarms(n: u64, shift: f64, runs: usize) -> usize {
        let mut rng = Rng::with_seed(11);
        (0..runs)
            .filter(|_| {
                let mut stability = Stability::new(&scores(&mut rng, 1000)).unwrap();
                for _ in 0..n {
                    stability.add(Score::new(shift + normal(&mut rng)).unwrap());
                }
                stability.compare().unwrap().alarm()
            })
            .count()
    }

    #[test]
    fn the_limit_is_that_of_chi_squared() {
        let mut stability = Stability::new(&scores(&mut Rng::with_seed(1), 1000)).unwrap();
        for _ in 0..FEWEST {
            stability.add(Score::new(0.0).unwrap());
        }
        // scipy.stats.chi2.ppf(0.999, 9)
        let limit = 27.877164871256568 * (1.0 / 500.0 + 1.0 / 1000.0);
        assert!((stability.compare().unwrap().limit - limit).abs() < 1e-6);
    }

    #[test]
    fn quiet_windows_are_quiet_and_shifted_ones_are_seen() {
        assert!(alarms(500, 0.0, 1000) <= 5);
        assert!(alarms(1000, 0.0, 1000) <= 5);
        assert!(alarms(1000, 0.5, 100) == 100);
        // The usual limit of 0.1 sees this shift in 0.5 % of the windows.
        assert!(alarms(1000, 0.2, 400) > 150, "{}", alarms(1000, 0.2, 400));
    }

    #[test]
    #[ignore = "a table: cargo test --lib table_of_windows -- --ignored --nocapture"]
    fn table_of_windows() {
        for n in [500, 1000, 2000] {
            let share = |shift| alarms(n, shift, 2000) as f64 / 20.0;
            let [none, small, middle] = [0.0, 0.2, 0.5].map(share);
            println!("{n} scores: {none} % alarms, {small} % at 0.2 sd, {middle} % at 0.5 sd");
        }
    }

    #[test]
    fn too_few_scores_are_not_compared() {
        let mut rng = Rng::with_seed(2);
        assert!(Stability::new(&scores(&mut rng, 499)).is_none());
        let mut stability = Stability::new(&scores(&mut rng, 500)).unwrap();
        for _ in 0..499 {
            stability.add(Score::new(9.0).unwrap());
        }
        assert!(stability.compare().is_none());
        stability.add(Score::new(9.0).unwrap());
        assert!(stability.compare().unwrap().alarm());
        stability.restart();
        assert!(stability.compare().is_none());
    }

    #[test]
    fn equal_scores_share_a_bin() {
        let two = |low: usize, high: usize| -> Vec<Score> {
            [[0.0].repeat(low), [1.0].repeat(high)]
                .concat()
                .into_iter()
                .filter_map(Score::new)
                .collect()
        };
        let compared = |references: &[Score], window: &[Score]| {
            let mut stability = Stability::new(references).unwrap();
            window.iter().for_each(|score| stability.add(*score));
            stability.compare().unwrap()
        };
        assert!(!compared(&two(700, 300), &two(700, 300)).alarm());
        assert!(compared(&two(700, 300), &two(300, 700)).alarm());
        assert!(Stability::new(&two(700, 0)).is_none());
    }
}
