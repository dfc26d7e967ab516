//! McNemar's exact test (1947): two results that are correct or wrong on the same items.

/// Two-sided p-value. Only items count for which one result was correct and the other wrong: `first` is the number where the
/// first was correct, `second` where the second was. If neither is better, these are like tosses of a fair coin.
pub fn p_value(first: usize, second: usize) -> f64 {
    let (n, fewer) = (first + second, first.min(second));
    let ln_half = 0.5_f64.ln() * n as f64;
    // In logarithms, because 2^-n underflows to 0 above n = 1074.
    let mut ln_ways = 0.0_f64;
    let mut tail = ln_half.exp();
    for k in 1..=fewer {
        ln_ways += ((n - k + 1) as f64 / k as f64).ln();
        tail += (ln_ways + ln_half).exp();
    }
    (2.0 * tail).min(1.0)
}

#[cfg(test)]
mod tests {
    use super::p_value;

    #[test]
    fn p_values_equal_those_by_hand() {
        // 2 · (1 + 10 + 45) / 2^10
        assert!((p_value(2, 8) - 112.0 / 1024.0).abs() < 1e-12);
        assert_eq!(p_value(8, 2), p_value(2, 8));
        // 2 / 2^6
        assert!((p_value(0, 6) - 1.0 / 32.0).abs() < 1e-12);
        for same in [(0, 0), (1, 1), (500, 500), (0, 1)] {
            assert_eq!(p_value(same.0, same.1), 1.0, "{same:?}");
        }
    }

    #[test]
    fn large_counts_stay_finite() {
        // z = 6.32: 2 · (1 − Φ(6.31)) is 2.8e-10 with the continuity correction.
        let p = p_value(4800, 5600);
        assert!(p > 0.0 && p < 1e-13, "{p}");
        let p = p_value(4900, 5100);
        // z = (200 − 1) / 100 = 1.99, p = 0.0466
        assert!((p - 0.0466).abs() < 0.0005, "{p}");
    }
}
