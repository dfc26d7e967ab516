//! What a line shall promise.

use std::ops::RangeInclusive;

/// What is allowed for an escape or overkill rate.
const RATES: RangeInclusive<f64> = 1e-5..=0.5;
/// What is allowed for the probability that a promise is broken.
const DELTAS: RangeInclusive<f64> = 1e-6..=0.5;

/// Two promises about each single class, which hold together with probability 1 − `delta` over calibrations.
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize)]
pub struct Promise {
    escape: f64,
    overkill: f64,
    delta: f64,
}

/// A number of a promise is out of range.
#[derive(Debug, Clone, Copy, PartialEq, thiserror::Error)]
#[error("promise.{name} is {value}: choose a number from {allowed_start} to {allowed_end}")]
pub struct PromiseError {
    /// `escape`, `overkill` or `delta`.
    pub name: &'static str,
    /// What was given.
    pub value: f64,
    allowed_start: f64,
    allowed_end: f64,
}

impl Promise {
    /// `escape`: at most this share of NG parts is decided OK. `overkill`: at most this share of OK parts is decided NG.
    /// `delta`: probability that a calibration breaks one of the two; each has half of it.
    ///
    /// # Errors
    /// If a rate is not from 0.00001 to 0.5, or `delta` not from 0.000001 to 0.5.
    pub fn new(escape: f64, overkill: f64, delta: f64) -> Result<Self, PromiseError> {
        let numbers = [
            ("escape", escape, RATES),
            ("overkill", overkill, RATES),
            ("delta", delta, DELTAS),
        ];
        for (name, value, allowed) in numbers {
            if !allowed.contains(&value) {
                let (allowed_start, allowed_end) = allowed.into_inner();
                return Err(PromiseError {
                    name,
                    value,
                    allowed_start,
                    allowed_end,
                });
            }
        }
        Ok(Self {
            escape,
            overkill,
            delta,
        })
    }

    /// Highest share of NG parts that are decided OK.
    pub fn escape(&self) -> f64 {
        self.escape
    }

    /// Highest share of OK parts that are decided NG.
    pub fn overkill(&self) -> f64 {
        self.overkill
    }

    /// Probability that a calibration breaks one of the promises.
    pub fn delta(&self) -> f64 {
        self.delta
    }

    /// Confidence in each of the two promises: 1 − δ/2.
    pub fn confidence_of_each(&self) -> f64 {
        1.0 - self.delta / 2.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_out_of_range_are_named() {
        assert!(Promise::new(0.02, 0.02, 0.05).is_ok());
        let said = |e, o, d| Promise::new(e, o, d).unwrap_err().to_string();
        assert_eq!(
            said(2.0, 0.02, 0.05),
            "promise.escape is 2: choose a number from 0.00001 to 0.5"
        );
        assert!(said(0.02, 0.0, 0.05).starts_with("promise.overkill is 0"));
        assert!(said(0.02, 0.02, f64::NAN).starts_with("promise.delta is NaN"));
    }
}
