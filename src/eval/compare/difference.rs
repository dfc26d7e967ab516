//! The difference of one metric between two results, and its significance.

use super::comparison::{Difference, Terms};
use crate::eval::bootstrap::{Resampling, paired};
use crate::eval::mcnemar::p_value;
use crate::eval::report::Metric;
use crate::eval::scoring::{Outcome, Over, ScoredItem, strata, value};

/// The difference over paired items; `None` if one of the results has no value.
pub(super) fn difference(
    metric: &Metric,
    a: &[ScoredItem],
    b: &[ScoredItem],
    terms: &Terms,
) -> Option<Difference> {
    let (x, y) = (
        strata(a, &metric.outcome, &metric.over),
        strata(b, &metric.outcome, &metric.over),
    );
    let (baseline, candidate) = (value(&x)?, value(&y)?);
    let pairs: Vec<Vec<(Outcome, Outcome)>> = x
        .iter()
        .zip(&y)
        .map(|(x, y)| x.iter().copied().zip(y.iter().copied()).collect())
        .collect();
    let found = paired(
        &pairs,
        Resampling {
            resamples: terms.resamples,
            seed: terms.seed,
        },
    );
    let exact = plain(metric, &pairs).then(|| {
        let count = |first: u32, second: u32| {
            pairs
                .iter()
                .flatten()
                .filter(|(a, b)| (a.right, b.right) == (first, second))
                .count()
        };
        p_value(count(1, 0), count(0, 1))
    });
    Some(Difference {
        baseline,
        candidate,
        difference: candidate - baseline,
        low: found.low,
        high: found.high,
        p: exact.unwrap_or(found.p),
        test: if exact.is_some() {
            "mcnemar"
        } else {
            "bootstrap"
        },
        headline: metric.headline,
        fell: false,
    })
}

/// Whether a metric is the share of correct items; then McNemar's test is exact. A mean over groups of equal size is such a
/// share.
fn plain(metric: &Metric, pairs: &[Vec<(Outcome, Outcome)>]) -> bool {
    let one = |(a, b): &(Outcome, Outcome)| a.of == 1 && b.of == 1;
    let equal = pairs.windows(2).all(|two| two[0].len() == two[1].len());
    pairs.iter().flatten().all(one) && (metric.over != Over::Groups || equal)
}
