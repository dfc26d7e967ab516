//! How the evidence of statements counts beside the change: weights that are fitted on lots that calibrate nothing.
//!
//! A part's score is `changed · c + statements · s`. Without parts to fit with, it is the change alone. The weights are those of
//! a logistic regression on both, standardised, with a small ridge (Hosmer and Lemeshow, *Applied Logistic Regression*);
//! neither is negative, since both grow with a defect. They are scaled so that the score has the unit of the change.

use serde::{Deserialize, Serialize};

use super::part::Class;

/// Parts of each class without which nothing is fitted.
pub const LEAST_PARTS: usize = 20;

/// Penalty on the squares of the weights of standardised numbers, beside the mean loss of a part: without one, the weights of
/// classes that do not overlap would grow for ever.
const RIDGE: f64 = 1e-5;

/// Longest Newton step.
const LONGEST_STEP: f64 = 2.0;

/// Newton steps, at most. The loss is convex and has three unknowns: some ten are enough.
const STEPS: usize = 100;

/// What is known about a part.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Evidence {
    /// How much it is changed: the highest of its images.
    pub changed: f64,
    /// How much the picture moved from what is true of the reference towards a statement: the highest of its images and
    /// statements. 0 without statements.
    pub statements: f64,
}

/// The weights of a score; none is negative.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Weights {
    /// Of the change.
    pub changed: f64,
    /// Of the statements.
    pub statements: f64,
}

impl Default for Weights {
    fn default() -> Self {
        Self {
            changed: 1.0,
            statements: 0.0,
        }
    }
}

impl Weights {
    /// The score of a part.
    #[must_use]
    pub fn score(&self, part: Evidence) -> f64 {
        // Without a weight, the score is the change to the last bit.
        let weighed = |weight: f64, value: f64| if weight == 0.0 { 0.0 } else { weight * value };
        weighed(self.changed, part.changed) + weighed(self.statements, part.statements)
    }

    /// Fits weights. With fewer than [`LEAST_PARTS`] of a class, or if the statements say nothing, the change counts alone.
    #[must_use]
    pub fn fit(parts: &[(Evidence, Class)]) -> Self {
        let count = |class| parts.iter().filter(|(_, own)| *own == class).count();
        if count(Class::Ok).min(count(Class::Ng)) < LEAST_PARTS {
            return Self::default();
        }
        let changed = Standardised::of(parts.iter().map(|(part, _)| part.changed));
        let statements = Standardised::of(parts.iter().map(|(part, _)| part.statements));
        let (Some(changed), Some(statements)) = (changed, statements) else {
            return Self::default();
        };
        let rows: Vec<_> = parts
            .iter()
            .map(|(part, class)| {
                let is_ng = f64::from(u8::from(*class == Class::Ng));
                let both = [
                    changed.value(part.changed),
                    statements.value(part.statements),
                ];
                (both, is_ng)
            })
            .collect();
        let [c, s] = logistic(&rows, [count(Class::Ok), count(Class::Ng)]);
        let (c, s) = (c / changed.spread, s / statements.spread);
        // So that one standard deviation of the score is about one of the change.
        let unit = (c + s * statements.spread / changed.spread).recip();
        if !unit.is_finite() {
            return Self::default();
        }
        Self {
            changed: c * unit,
            statements: s * unit,
        }
    }
}

struct Standardised {
    mean: f64,
    spread: f64,
}

impl Standardised {
    /// `None` if all numbers are the same.
    fn of(values: impl Iterator<Item = f64> + Clone) -> Option<Self> {
        let count = values.clone().count() as f64;
        let mean = values.clone().sum::<f64>() / count;
        let spread = (values.map(|value| (value - mean).powi(2)).sum::<f64>() / count).sqrt();
        (spread > 1e-12 && spread.is_finite()).then_some(Self { mean, spread })
    }

    fn value(&self, value: f64) -> f64 {
        (value - self.mean) / self.spread
    }
}

/// Weights of both columns, by Newton's method. Each class counts alike, whatever its number of parts. A column that would
/// get a negative weight is left out.
fn logistic(rows: &[([f64; 2], f64)], counts: [usize; 2]) -> [f64; 2] {
    let [c, s] = fitted(rows, counts, [true, true]);
    match (c < 0.0, s < 0.0) {
        (false, false) => [c, s],
        (true, false) => fitted(rows, counts, [false, true]).map(|weight| weight.max(0.0)),
        (false, true) => fitted(rows, counts, [true, false]).map(|weight| weight.max(0.0)),
        (true, true) => [0.0; 2],
    }
}

/// The weights that minimise the loss, with those columns that are used.
fn fitted(rows: &[([f64; 2], f64)], counts: [usize; 2], used: [bool; 2]) -> [f64; 2] {
    let mut weights = [0.0_f64; 3];
    for _ in 0..STEPS {
        let (mut slope, mut curve) = ([0.0; 3], [[0.0; 3]; 3]);
        for (row, is_ng) in rows {
            let values = [
                if used[0] { row[0] } else { 0.0 },
                if used[1] { row[1] } else { 0.0 },
                1.0,
            ];
            let sum: f64 = weights.iter().zip(values).map(|(w, v)| w * v).sum();
            let of_class = counts[usize::from(*is_ng > 0.5)];
            let share = (2.0 * of_class as f64).recip();
            let likely = (1.0 + (-sum).exp()).recip();
            for (i, value) in values.iter().enumerate() {
                slope[i] += share * (likely - is_ng) * value;
                for (j, other) in values.iter().enumerate() {
                    curve[i][j] += share * likely * (1.0 - likely) * value * other;
                }
            }
        }
        for i in 0..3 {
            slope[i] += RIDGE * weights[i];
            curve[i][i] += RIDGE;
        }
        let Some(step) = solved(curve, slope) else {
            break;
        };
        // Newton's method may go too far from a start at which all parts look alike.
        let length = step.iter().map(|value| value * value).sum::<f64>().sqrt();
        let shortened = (LONGEST_STEP / length).min(1.0);
        weights
            .iter_mut()
            .zip(step)
            .for_each(|(weight, value)| *weight -= shortened * value);
        if length < 1e-9 {
            break;
        }
    }
    [weights[0], weights[1]]
}

/// Solves three linear equations by elimination; `None` if they are not independent.
fn solved(mut rows: [[f64; 3]; 3], mut right: [f64; 3]) -> Option<[f64; 3]> {
    for i in 0..3 {
        let pivot = (i..3).max_by(|a, b| rows[*a][i].abs().total_cmp(&rows[*b][i].abs()))?;
        rows.swap(i, pivot);
        right.swap(i, pivot);
        if rows[i][i].abs() < f64::MIN_POSITIVE {
            return None;
        }
        for below in i + 1..3 {
            let from = rows[i];
            let factor = rows[below][i] / from[i];
            let changed = rows[below].iter_mut().zip(from).skip(i);
            changed.for_each(|(value, from)| *value -= factor * from);
            right[below] -= factor * right[i];
        }
    }
    for i in (0..3).rev() {
        let known: f64 = (i + 1..3).map(|j| rows[i][j] * right[j]).sum();
        right[i] = (right[i] - known) / rows[i][i];
    }
    Some(right)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A number that looks like one of a normal distribution, by its place in a stream (SplitMix64, twelve of which are added).
    fn normal(number: usize, stream: u64) -> f64 {
        let mut state = (number as u64) << 32 | stream;
        let mut sum = 0.0;
        for _ in 0..12 {
            state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
            let mut mixed = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            sum += ((mixed ^ (mixed >> 31)) >> 11) as f64 / (1_u64 << 53) as f64;
        }
        sum - 6.0
    }

    fn parts(count: usize, [of_changed, of_statements]: [f64; 2]) -> Vec<(Evidence, Class)> {
        (0..2 * count)
            .map(|number| {
                let (class, is_ng) = if number % 2 == 0 {
                    (Class::Ok, 0.0)
                } else {
                    (Class::Ng, 1.0)
                };
                let part = Evidence {
                    changed: 3.0 + 2.0 * (normal(number, 11) + of_changed * is_ng),
                    statements: 0.01 * (normal(number, 77) + of_statements * is_ng),
                };
                (part, class)
            })
            .collect()
    }

    /// Share of pairs of an OK and an NG part that a score puts in order.
    fn auroc(parts: &[(Evidence, Class)], weights: Weights) -> f64 {
        let of = |class| parts.iter().filter(move |(_, own)| *own == class);
        let (mut right, mut all) = (0.0, 0.0);
        for (ok, _) in of(Class::Ok) {
            for (ng, _) in of(Class::Ng) {
                right += f64::from(u8::from(weights.score(*ok) < weights.score(*ng)));
                all += 1.0;
            }
        }
        right / all
    }

    #[test]
    fn the_weights_are_those_of_linear_discriminants() {
        // For two normal classes that differ in their means alone the best score is known: 1 · 1/2 and 3 · 1/0.01.
        let weights = Weights::fit(&parts(4000, [1.0, 3.0]));
        let ratio = weights.statements / weights.changed;
        assert!((ratio / 600.0 - 1.0).abs() < 0.1, "{weights:?}");
        let fresh = parts(700, [1.0, 3.0]);
        let fitted = auroc(&fresh, weights);
        assert!(fitted > auroc(&fresh, Weights::default()) + 0.1);
        // Φ(√10 / √2)
        assert!((fitted - 0.9873).abs() < 0.006, "{fitted}");
    }

    #[test]
    fn statements_that_say_nothing_get_nothing_and_none_is_negative() {
        let nothing = Weights::fit(&parts(2000, [2.0, 0.0]));
        let of_spread = nothing.statements * 0.01 / (nothing.changed * 2.0);
        assert!(of_spread < 0.1, "{nothing:?}");
        let against = Weights::fit(&parts(500, [2.0, -2.0]));
        assert_eq!(against.statements, 0.0);
        assert!((against.changed - 1.0).abs() < 1e-9);
    }

    #[test]
    fn few_parts_and_constant_numbers_leave_the_change_alone() {
        assert_eq!(
            Weights::fit(&parts(LEAST_PARTS - 1, [1.0, 5.0])),
            Weights::default()
        );
        let mut constant = parts(100, [1.0, 0.0]);
        constant
            .iter_mut()
            .for_each(|(part, _)| part.statements = 0.0);
        assert_eq!(Weights::fit(&constant), Weights::default());
        let part = Evidence {
            changed: 0.1 + 0.2,
            statements: f64::NAN,
        };
        assert_eq!(Weights::default().score(part), 0.1 + 0.2);
    }
}
