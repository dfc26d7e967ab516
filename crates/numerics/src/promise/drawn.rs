//! Drawn scores, for tests of what is computed from them.

use fastrand::Rng;

use super::Score;

/// A standard normal number (Box-Muller).
pub fn normal(rng: &mut Rng) -> f64 {
    let radius = (-2.0 * (1.0 - rng.f64()).ln()).sqrt();
    radius * (std::f64::consts::TAU * rng.f64()).cos()
}

/// Standard normal scores, ascending.
pub fn scores(rng: &mut Rng, count: usize) -> Vec<Score> {
    let mut scores: Vec<_> = (0..count).filter_map(|_| Score::new(normal(rng))).collect();
    scores.sort_unstable();
    scores
}

/// The upper median.
pub fn median(numbers: impl Iterator<Item = u64>) -> u64 {
    let mut numbers: Vec<_> = numbers.collect();
    numbers.sort_unstable();
    numbers[numbers.len() / 2]
}
