//! Percentile bootstrap (Efron, 1979): how much a metric, or the difference of two, depends on the choice of items.

use fastrand::Rng;

use super::scoring::{Outcome, mean};

/// Settings of the resampling.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Resampling {
    pub resamples: usize,
    pub seed: u64,
}

/// Share of the resamples inside an interval.
pub const CONFIDENCE: f64 = 0.95;

/// The middle 95 % of the metric over resamples: items are drawn with replacement within their stratum.
pub fn interval(strata: &[Vec<Outcome>], how: Resampling) -> (f64, f64) {
    let values = resampled(strata, how, |stratum, drawn| {
        let (mut right, mut of) = (0_u64, 0_u64);
        for place in drawn {
            if let Some(outcome) = stratum.get(*place) {
                right += u64::from(outcome.right);
                of += u64::from(outcome.of);
            }
        }
        100.0 * right as f64 / of.max(1) as f64
    });
    middle(values)
}

/// The resampled difference of two results on the same items.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Paired {
    pub low: f64,
    pub high: f64,
    /// Two-sided: twice the smaller share of resamples on either side of zero, at most 1.
    pub p: f64,
}

/// The difference second − first, over resamples that draw the same items of both.
pub fn paired(strata: &[Vec<(Outcome, Outcome)>], how: Resampling) -> Paired {
    let values = resampled(strata, how, |stratum, drawn| {
        let mut sums = [0_u64; 4];
        for place in drawn {
            if let Some((a, b)) = stratum.get(*place) {
                for (sum, number) in sums.iter_mut().zip([a.right, a.of, b.right, b.of]) {
                    *sum += u64::from(number);
                }
            }
        }
        let share = |right: u64, of: u64| 100.0 * right as f64 / of.max(1) as f64;
        share(sums[2], sums[3]) - share(sums[0], sums[1])
    });
    // The result itself counts as one resample, so that p is never 0.
    let side = |on: fn(f64) -> bool| values.iter().filter(|v| on(**v)).count() + 1;
    let smaller = side(|v| v <= 0.0).min(side(|v| v >= 0.0));
    let p = (2.0 * smaller as f64 / (values.len() + 1) as f64).min(1.0);
    let (low, high) = middle(values);
    Paired { low, high, p }
}

fn resampled<T>(
    strata: &[Vec<T>],
    how: Resampling,
    of: impl Fn(&[T], &[usize]) -> f64,
) -> Vec<f64> {
    let mut random = Rng::with_seed(how.seed);
    let mut drawn = Vec::new();
    (0..how.resamples)
        .map(|_| {
            let shares = strata.iter().map(|stratum| {
                drawn.clear();
                drawn.extend((0..stratum.len()).map(|_| random.usize(..stratum.len())));
                of(stratum, &drawn)
            });
            mean(shares)
        })
        .collect()
}

/// The bounds of the middle share, interpolated between neighbouring values.
fn middle(mut values: Vec<f64>) -> (f64, f64) {
    values.sort_by(f64::total_cmp);
    let at = |share: f64| {
        let place = share * values.len().saturating_sub(1) as f64;
        let (below, above) = (place.floor() as usize, place.ceil() as usize);
        let value = |i: usize| values.get(i).copied().unwrap_or(f64::NAN);
        value(below) + (value(above) - value(below)) * place.fract()
    };
    let outside = (1.0 - CONFIDENCE) / 2.0;
    (at(outside), at(1.0 - outside))
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOW: Resampling = Resampling {
        resamples: 4000,
        seed: 7,
    };

    fn outcomes(right: usize, of: usize) -> Vec<Outcome> {
        (0..of).map(|i| (i < right).into()).collect()
    }

    #[test]
    fn the_interval_of_a_share_is_that_of_the_binomial() {
        // 40 of 100: the 2.5 % and 97.5 % points of Binomial(100, 0.4) are 31 and 50.
        let (low, high) = interval(&[outcomes(40, 100)], HOW);
        assert!(
            (30.0..=31.0).contains(&low) && (49.0..=50.0).contains(&high),
            "{low} {high}"
        );
        assert_eq!(
            interval(&[outcomes(40, 100)], HOW),
            (low, high),
            "the seed decides"
        );
        assert_eq!(interval(&[outcomes(5, 5)], HOW), (100.0, 100.0));
    }

    #[test]
    fn strata_stay_apart() {
        // One is always correct and one always wrong: the mean is 50 for any resample.
        assert_eq!(
            interval(&[outcomes(9, 9), outcomes(0, 30)], HOW),
            (50.0, 50.0)
        );
    }

    #[test]
    fn equal_results_have_no_difference() {
        let stratum: Vec<_> = outcomes(10, 40).into_iter().map(|o| (o, o)).collect();
        let found = paired(&[stratum], HOW);
        assert_eq!((found.low, found.high, found.p), (0.0, 0.0, 1.0));
        let better: Vec<_> = (0..40).map(|_| (false.into(), true.into())).collect();
        let found = paired(&[better], HOW);
        assert_eq!((found.low, found.high), (100.0, 100.0));
        assert!(found.p < 0.001, "{found:?}");
    }

    #[test]
    fn bounds_are_between_neighbours() {
        let (low, high) = middle((0..=100).map(f64::from).rev().collect());
        assert!((low - 2.5).abs() < 1e-9 && (high - 97.5).abs() < 1e-9);
    }
}
