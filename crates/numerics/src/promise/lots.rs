//! How many independent parts a sample of lots is worth.
//!
//! Parts of one lot are alike: ten parts of one lot tell less than ten parts of ten lots. The design effect (Kish, 1965)
//! says how much less: 1 + (m − 1) ρ, with m parts in a lot and the intraclass correlation ρ. A sample of n parts counts
//! as n divided by it.
//!
//! ρ is estimated from the ranks of all scores (one-way analysis of variance), and not from the few errors beyond a
//! threshold: two or three errors say nothing about lots. Errors in a tail are less alike within a lot than scores are, so
//! the estimate errs on the safe side where lots differ in their mean. **It cannot know of a kind of lot that the sample
//! does not have**: if one lot in twenty is different, calibrate with far more than twenty lots.

use std::collections::HashMap;

use super::score::Score;

/// What a sample is worth.
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize)]
pub struct Sample {
    /// Number of parts.
    pub parts: usize,
    /// Number of lots.
    pub lots: usize,
    /// Number of independent parts that tell as much: from `lots` or fewer to `parts`.
    pub independent: f64,
}

impl Sample {
    /// Of parts of one class: lot and score of each.
    pub(super) fn of<'a>(parts: impl Iterator<Item = (&'a str, Score)>) -> Self {
        let parts: Vec<_> = parts.collect();
        let mut lots: HashMap<&str, Lot> = HashMap::new();
        for ((lot, _), rank) in parts.iter().zip(middle_ranks(&parts)) {
            lots.entry(lot).or_default().add(rank);
        }
        let lots: Vec<Lot> = lots.into_values().collect();
        Self {
            parts: parts.len(),
            lots: lots.len(),
            independent: parts.len() as f64 / design_effect(parts.len() as f64, &lots),
        }
    }

    /// How many parts count as one independent part, from 1.
    pub fn design_effect(&self) -> f64 {
        if self.parts == 0 {
            1.0
        } else {
            self.parts as f64 / self.independent
        }
    }
}

/// Ranks of a lot's parts.
#[derive(Debug, Default, Clone, Copy)]
struct Lot {
    parts: f64,
    sum: f64,
    squares: f64,
}

impl Lot {
    fn add(&mut self, rank: f64) {
        self.parts += 1.0;
        self.sum += rank;
        self.squares += rank * rank;
    }
}

/// The rank of each score, centred on 0; equal scores share the middle of their ranks.
fn middle_ranks(parts: &[(&str, Score)]) -> Vec<f64> {
    let mut order: Vec<(Score, usize)> = parts
        .iter()
        .enumerate()
        .map(|(place, (_, score))| (*score, place))
        .collect();
    order.sort_unstable();
    let mut ranks = vec![0.0; parts.len()];
    let mut first = 0;
    for equal in order.chunk_by(|a, b| a.0 == b.0) {
        let middle = first as f64 + (equal.len() as f64 - parts.len() as f64) / 2.0;
        for (_, place) in equal {
            if let Some(rank) = ranks.get_mut(*place) {
                *rank = middle;
            }
        }
        first += equal.len();
    }
    ranks
}

/// At least 1; the mean size of lots, weighted by parts, if nothing is known about how parts of a lot differ.
fn design_effect(parts: f64, lots: &[Lot]) -> f64 {
    let count = lots.len() as f64;
    if parts <= count {
        return 1.0;
    }
    let sum_of_squared_sizes: f64 = lots.iter().map(|lot| lot.parts * lot.parts).sum();
    let size = sum_of_squared_sizes / parts;
    if count < 2.0 {
        return size;
    }
    let squares: f64 = lots.iter().map(|lot| lot.squares).sum();
    let of_means: f64 = lots.iter().map(|lot| lot.sum * lot.sum / lot.parts).sum();
    let within = (squares - of_means).max(0.0) / (parts - count);
    // The mean of all ranks is 0.
    let between = of_means / (count - 1.0);
    let usual_size = (parts - size) / (count - 1.0);
    let all = between + (usual_size - 1.0) * within;
    if all <= 0.0 {
        // All scores are equal: lots do not differ.
        return 1.0;
    }
    let correlation = ((between - within) / all).clamp(0.0, 1.0);
    1.0 + (size - 1.0) * correlation
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(parts: &[(&str, f64)]) -> Sample {
        Sample::of(
            parts
                .iter()
                .map(|(lot, score)| (*lot, Score::new(*score).unwrap())),
        )
    }

    #[test]
    fn parts_without_a_lot_in_common_all_count() {
        let sample = sample(&[("a", 3.0), ("b", 1.0), ("c", 2.0)]);
        assert_eq!(
            sample,
            Sample {
                parts: 3,
                lots: 3,
                independent: 3.0
            }
        );
    }

    #[test]
    fn lots_whose_parts_are_equal_count_once() {
        let parts: Vec<_> = ["a", "b", "c", "d"]
            .iter()
            .zip([0.4, 0.1, 0.3, 0.2])
            .flat_map(|lot| [lot; 5])
            .map(|(lot, score)| (*lot, score))
            .collect();
        let sample = sample(&parts);
        assert!((sample.independent - 4.0).abs() < 1e-9, "{sample:?}");
        assert!((sample.design_effect() - 5.0).abs() < 1e-9);
    }

    #[test]
    fn one_lot_is_one_part() {
        let sample = sample(&[("a", 1.0), ("a", 2.0), ("a", 3.0)]);
        assert!((sample.independent - 1.0).abs() < 1e-9);
    }

    #[test]
    fn lots_with_the_same_scores_do_not_differ() {
        let parts: Vec<_> = ["a", "b"]
            .iter()
            .flat_map(|lot| [1.0, 2.0, 3.0].map(|score| (*lot, score)))
            .collect();
        assert_eq!(sample(&parts).independent, 6.0);
        assert_eq!(
            sample(&[("a", 1.0), ("a", 1.0), ("b", 1.0)]).independent,
            3.0
        );
    }

    /// One-way analysis of variance by hand: ranks −2.5 … 2.5 in two lots of
    /// three: between = 13.5, within = 1, ρ = (13.5 − 1) / (13.5 + 2) = 0.806.
    #[test]
    fn the_correlation_is_that_of_the_analysis_of_variance() {
        let sample = sample(&[
            ("a", 1.0),
            ("a", 2.0),
            ("a", 3.0),
            ("b", 4.0),
            ("b", 5.0),
            ("b", 6.0),
        ]);
        let expected = 1.0 + 2.0 * (13.5 - 1.0) / (13.5 + 2.0);
        assert!(
            (sample.design_effect() - expected).abs() < 1e-9,
            "{sample:?}"
        );
    }
}
