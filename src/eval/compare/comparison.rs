//! What is compared, and what came out.

use std::collections::BTreeMap;

use serde::Serialize;

/// The settings of a comparison.
#[derive(Debug, Clone)]
pub struct Terms {
    /// Benchmarks that must not become worse; None: all of the baseline.
    pub protect: Option<Vec<String>>,
    /// Permitted decrease of a headline metric, in points.
    pub margin: f64,
    /// Number of resamples for an interval.
    pub resamples: usize,
    /// Seed of the resampling.
    pub seed: u64,
}

/// One candidate, compared with the baseline.
#[derive(Debug, Clone, Serialize)]
pub struct Comparison {
    /// The path of the candidate's results.
    pub candidate: String,
    /// Whether a protected benchmark decreased by more than the margin.
    pub fell: bool,
    /// One entry per benchmark and data set.
    pub benchmarks: Vec<Compared>,
}

/// One benchmark on one data set.
#[derive(Debug, Clone, Serialize)]
pub struct Compared {
    /// Name of the benchmark.
    pub benchmark: String,
    /// Its options.
    pub options: BTreeMap<String, String>,
    /// The data of both results.
    pub data_fingerprint: String,
    /// Model and precision of the baseline.
    pub baseline: String,
    /// Model and precision of the candidate.
    pub candidate: String,
    /// Whether it must not become worse.
    pub protected: bool,
    /// Number of items that both scored.
    pub paired: usize,
    /// Number of items that only one of them scored.
    pub unpaired: usize,
    /// Metrics by name.
    pub metrics: BTreeMap<String, Difference>,
}

/// A metric of both results, over the items that both scored; in percent and points.
#[derive(Debug, Clone, Serialize)]
pub struct Difference {
    /// The baseline's value.
    pub baseline: f64,
    /// The candidate's value.
    pub candidate: f64,
    /// Candidate − baseline.
    pub difference: f64,
    /// Lower bound of its 95 % interval.
    pub low: f64,
    /// Upper bound.
    pub high: f64,
    /// Two-sided p-value.
    pub p: f64,
    /// `mcnemar` (exact), or `bootstrap`.
    pub test: &'static str,
    /// Whether it is a headline metric.
    pub headline: bool,
    /// Whether it is a headline metric of a protected benchmark that decreased by more than the margin.
    pub fell: bool,
}
