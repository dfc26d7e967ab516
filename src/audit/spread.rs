//! The distribution of values: smallest, largest, and quantiles.

use serde::Serialize;

/// The distribution of values.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Spread {
    pub values: usize,
    pub min: f32,
    pub p05: f32,
    pub p50: f32,
    pub p95: f32,
    pub p99: f32,
    pub max: f32,
}

impl Spread {
    /// Of values in any order; None if there are none.
    pub fn of(mut values: Vec<f32>) -> Option<Self> {
        values.sort_unstable_by(f32::total_cmp);
        let last = values.len().checked_sub(1)?;
        let at = |share: f64| {
            let place = (share * last as f64).round() as usize;
            values.get(place).copied().unwrap_or_default()
        };
        Some(Self {
            values: values.len(),
            min: at(0.0),
            p05: at(0.05),
            p50: at(0.5),
            p95: at(0.95),
            p99: at(0.99),
            max: at(1.0),
        })
    }
}
