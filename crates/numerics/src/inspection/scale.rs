//! The fixed scale of maps: where an OK image may be coloured, and how much.

use serde::{Deserialize, Serialize};

/// Counts of values in steps of 1/256 from −32 to 32; what is beyond counts at the ends.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Histogram {
    counts: Vec<u64>,
}

const LOWEST: f32 = -32.0;
const STEPS: usize = 64 * 256;

impl Default for Histogram {
    fn default() -> Self {
        Self {
            counts: vec![0; STEPS],
        }
    }
}

impl Histogram {
    /// Counts more values.
    pub fn add(&mut self, values: &[f32]) {
        for value in values {
            // A value that is not a number counts as the lowest.
            let step = ((value - LOWEST) * 256.0) as usize;
            self.counts[step.min(STEPS - 1)] += 1;
        }
    }

    /// The value that a `share` (0..1) of the values lie at or below, rounded up by less than 1/256. 0 without values.
    #[must_use]
    pub fn quantile(&self, share: f64) -> f32 {
        let total: u64 = self.counts.iter().sum();
        if total == 0 {
            return 0.0;
        }
        let wanted = ((share.clamp(0.0, 1.0) * total as f64).ceil() as u64).max(1);
        let mut below = 0;
        let step = self.counts.iter().position(|count| {
            below += count;
            below >= wanted
        });
        LOWEST + (step.unwrap_or(STEPS - 1) + 1) as f32 / 256.0
    }
}

/// How a distance becomes a value of a map: 0 is usual for OK patches, 1 the limit that hardly any of them passes.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Scale {
    zero: f32,
    one: f32,
}

impl Scale {
    /// Sets 0 at the median of what OK patches have, and 1 where only `passing` (0..1) of them are above.
    #[must_use]
    pub fn new(ok: &Histogram, passing: f64) -> Self {
        let (zero, one) = (ok.quantile(0.5), ok.quantile(1.0 - passing));
        // Equal pictures have no spread; a tenth is a small difference of two logarithms.
        Self {
            zero,
            one: one.max(zero + 0.1),
        }
    }

    /// The map's value of a distance.
    #[must_use]
    pub fn value(&self, distance: f32) -> f32 {
        (distance - self.zero) / (self.one - self.zero)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_limit_is_passed_by_the_share_that_was_asked_for() {
        let mut random = fastrand::Rng::with_seed(1);
        let mut normal = || (0..12).map(|_| random.f32()).sum::<f32>() - 6.0;
        let mut ok = Histogram::default();
        let values: Vec<_> = (0..20_000).map(|_| normal()).collect();
        ok.add(&values);
        let scale = Scale::new(&ok, 0.004);
        let above = values
            .iter()
            .filter(|value| scale.value(**value) > 1.0)
            .count();
        assert!((60..=80).contains(&above), "{above}");
        assert!(scale.value(ok.quantile(0.5)).abs() < 1e-6);
        let flat = Scale::new(&Histogram::default(), 0.004);
        assert!(flat.value(5.0).is_finite());
        ok.add(&[f32::NAN, f32::INFINITY, f32::NEG_INFINITY]);
        assert_eq!(
            (ok.quantile(0.0), ok.quantile(1.0)),
            (LOWEST + 1.0 / 256.0, 32.0)
        );
    }
}
