//! UltraEdit's quality measures of its pairs, if a data set has them.

use serde::Serialize;

use super::record::Quality;

/// The columns and the minimum values of UltraEdit's filter.
pub const FILTER: [(&str, f64); 5] = [
    ("clip_sim_image", 0.8),
    ("clip_sim_dir", 0.2),
    ("clip_sim_source", 0.2),
    ("clip_sim_target", 0.2),
    ("dinov2_sim", 0.3),
];

/// The range of one column.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Range {
    /// The name of the column.
    pub column: &'static str,
    /// The minimum value of the filter.
    pub at_least: f64,
    /// Number of rows with a value.
    pub values: u64,
    /// Number of rows below the minimum.
    pub below: u64,
    pub min: f64,
    pub mean: f64,
    pub max: f64,
}

/// The ranges of all columns.
#[derive(Debug, Clone)]
pub struct Ranges(Vec<Range>);

impl Default for Ranges {
    fn default() -> Self {
        let range = |(column, at_least)| Range {
            column,
            at_least,
            min: f64::INFINITY,
            max: f64::NEG_INFINITY,
            ..Range::default()
        };
        Self(FILTER.map(range).to_vec())
    }
}

impl Ranges {
    /// Adds a pair; returns the columns in which it fails the filter.
    pub fn add(&mut self, quality: &Quality) -> Vec<String> {
        let mut failed = Vec::new();
        for (range, value) in self.0.iter_mut().zip(quality) {
            let Some(value) = value.filter(|value| value.is_finite()) else {
                continue;
            };
            range.values += 1;
            range.min = range.min.min(value);
            range.max = range.max.max(value);
            range.mean += (value - range.mean) / range.values as f64;
            if value < range.at_least {
                range.below += 1;
                failed.push(format!("{} {value:.3}", range.column));
            }
        }
        failed
    }

    /// The columns that have values.
    pub fn known(&self) -> Vec<Range> {
        let known = self.0.iter().filter(|range| range.values > 0);
        known.cloned().collect()
    }
}
