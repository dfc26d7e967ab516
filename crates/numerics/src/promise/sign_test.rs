//! The sign test (Arbuthnot, 1710): which of two is better where they differ, with the Clopper-Pearson interval of its share.

use super::binomial::{tail, upper_bound};

/// Confidence of the interval.
const CONFIDENCE: f64 = 0.95;

/// A sign test.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SignTest {
    /// Two-sided p-value of "both are as good": twice the smaller tail, at most 1.
    pub p: f64,
    /// Lower end of the 95 % interval of the share on which the first one is better.
    pub low: f64,
    /// Upper end.
    pub high: f64,
}

impl SignTest {
    /// Of the numbers of times that the first and that the second one was better. `None` if they never differed.
    #[must_use]
    pub fn of(first: u64, second: u64) -> Option<Self> {
        let all = first + second;
        if all == 0 {
            return None;
        }
        let (parts, wins) = (all as f64, first as f64);
        let smaller = first.min(second) as f64;
        let each = 1.0 - (1.0 - CONFIDENCE) / 2.0;
        Some(Self {
            p: (2.0 * tail(parts, smaller, 0.5)).min(1.0),
            low: 1.0 - upper_bound(parts, parts - wins, each),
            high: upper_bound(parts, wins, each),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_those_of_scipy() {
        // scipy.stats.binomtest(k, n).pvalue and .proportion_ci(0.95, "exact")
        for (first, second, p, low, high) in [
            (
                8,
                2,
                0.109_375,
                0.443_904_537_692_358_5,
                0.974_789_273_674_816_7,
            ),
            (0, 5, 0.0625, 0.0, 0.521_823_750_104_98),
            (
                30,
                10,
                0.002_221_433_773_229_364_3,
                0.588_038_019_848_463_6,
                0.873_085_201_067_155_3,
            ),
            (7, 7, 1.0, 0.230_360_541_448_05, 0.769_639_458_551_949),
        ] {
            let found = SignTest::of(first, second).unwrap();
            let near = |a: f64, b: f64| (a - b).abs() < 1e-9;
            assert!(
                near(found.p, p) && near(found.low, low) && near(found.high, high),
                "{first} {second}: {found:?}"
            );
        }
        assert_eq!(SignTest::of(0, 0), None);
    }
}
