//! Exact binomial tails and Clopper-Pearson bounds (Clopper and Pearson, 1934).
//!
//! Numbers of parts are real numbers here: parts of one lot count for less than independent ones
//! (`promise/lots.rs`). The tails are those of the beta distribution, which continues the binomial one.
//!
//! Up to [`MOST_PARTS`] parts, results agree with scipy within 1e-9, relative to the result.

use statrs::function::beta::checked_beta_reg;

/// Maximum number of parts of one class in a calibration. The tails are exact up to here, and a calibration stays
/// below a second.
pub const MOST_PARTS: usize = 100_000;

/// P(Bin(`parts`, `rate`) ≤ `errors`): how likely it is to see at most `errors` errors among `parts` independent parts
/// if each is wrong with probability `rate`. 1 if `errors` ≥ `parts`; 1, which proves nothing, for impossible numbers.
pub fn tail(parts: f64, errors: f64, rate: f64) -> f64 {
    if errors >= parts {
        return 1.0;
    }
    match checked_beta_reg(parts - errors, errors + 1.0, 1.0 - rate) {
        Ok(probability) if probability.is_finite() => probability,
        _ => 1.0,
    }
}

/// The Clopper-Pearson upper bound: the highest error rate at which `errors` or fewer among `parts` are still seen with
/// probability 1 − `confidence`. 1 if `errors` ≥ `parts`, or if there are no parts.
pub fn upper_bound(parts: f64, errors: f64, confidence: f64) -> f64 {
    if errors >= parts {
        return 1.0;
    }
    // The tail falls from 1 to 0 as the rate grows from 0 to 1. Bisection in the logarithm of the rate is right to the
    // last digits for small rates too.
    let (mut low, mut high) = (1e-12_f64.ln(), 0.0_f64);
    for _ in 0..80 {
        let middle = 0.5 * (low + high);
        if tail(parts, errors, middle.exp()) > 1.0 - confidence {
            low = middle;
        } else {
            high = middle;
        }
    }
    high.exp()
}

/// Number of independent parts without any error that shows a rate of at most `rate` with this confidence: the smallest n
/// with (1 − rate)ⁿ ≤ 1 − confidence. `rate` and `confidence` are between 0 and 1, both excluded.
pub fn needed_without_error(rate: f64, confidence: f64) -> u64 {
    let about = (1.0 - confidence).ln() / (-rate).ln_1p();
    // The last step is the test itself, so that rounding cannot make "needs 3, has 3".
    let mut parts = (about.floor() - 1.0).max(1.0);
    while tail(parts, 0.0, rate) > 1.0 - confidence && parts < about + 2.0 {
        parts += 1.0;
    }
    parts as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(serde::Deserialize)]
    struct Fixture {
        cases: Vec<(u32, u32, f64, f64, f64, f64)>,
    }

    fn close(ours: f64, theirs: f64, what: &str) {
        let distance = (ours - theirs).abs();
        assert!(
            distance <= 1e-9 * theirs || theirs < 1e-290 && ours < 1e-290,
            "{what}: {ours:e}, scipy {theirs:e}"
        );
    }

    #[test]
    fn tails_and_bounds_agree_with_scipy() {
        let fixture: Fixture =
            serde_json::from_str(include_str!("../../../../tests/fixtures/binomial.json")).unwrap();
        assert!(fixture.cases.len() > 500);
        for (n, k, rate, p, upper95, upper975) in fixture.cases {
            let (parts, errors) = (f64::from(n), f64::from(k));
            close(
                tail(parts, errors, rate),
                p,
                &format!("tail {n} {k} {rate}"),
            );
            close(
                upper_bound(parts, errors, 0.95),
                upper95,
                &format!("95 % {n} {k}"),
            );
            close(
                upper_bound(parts, errors, 0.975),
                upper975,
                &format!("97.5 % {n} {k}"),
            );
        }
    }

    /// The smallest number of parts at which this many errors still show the rate.
    fn needed(rate: f64, errors: u32, confidence: f64) -> u64 {
        (u64::from(errors) + 1..)
            .find(|n| tail(*n as f64, f64::from(errors), rate) <= 1.0 - confidence)
            .unwrap()
    }

    #[test]
    fn the_table_of_allowed_errors() {
        let rows = [
            (0.05, [59, 93, 124, 153, 208, 336]),
            (0.02, [149, 236, 313, 386, 523, 845]),
            (0.01, [299, 473, 628, 773, 1049, 1693]),
            (0.005, [598, 947, 1258, 1549, 2100, 3389]),
            (0.001, [2995, 4742, 6294, 7752, 10511, 16959]),
        ];
        for (rate, parts) in rows {
            for (errors, parts) in [0, 1, 2, 3, 5, 10].into_iter().zip(parts) {
                assert_eq!(needed(rate, errors, 0.95), parts, "{rate} with {errors}");
            }
            assert_eq!(needed_without_error(rate, 0.95), parts[0]);
        }
    }

    #[test]
    fn parts_without_error_at_half_of_5_percent() {
        for (rate, parts) in [(0.05, 72), (0.02, 183), (0.01, 368), (0.005, 736)] {
            assert_eq!(needed_without_error(rate, 0.975), parts);
            assert_eq!(needed(rate, 0, 0.975), parts);
        }
    }

    #[test]
    fn no_parts_and_only_errors_show_nothing() {
        assert_eq!(upper_bound(0.0, 0.0, 0.95), 1.0);
        assert_eq!(upper_bound(7.0, 7.0, 0.95), 1.0);
        assert_eq!(tail(7.0, 7.0, 0.01), 1.0);
        assert_eq!(tail(f64::NAN, 0.0, 0.01), 1.0);
        // (1 − 0.5)³ = 1 − 0.875
        assert_eq!(needed_without_error(0.5, 0.875), 3);
    }
}
