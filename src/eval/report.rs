//! The result of an evaluation, written as JSON and read again by `compare`.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Context, bail};
use serde::{Deserialize, Serialize};

use super::anomaly::CategoryResult;
use super::bootstrap::{CONFIDENCE, Resampling, interval};
use super::broken::Broken;
use super::scoring::{MetricSpec, Over, ScoredItem, strata, value};
use crate::byte_order_mark;

/// Version of the JSON.
pub const SCHEMA_VERSION: u32 = 1;

/// A number with its interval, in percent.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Metric {
    /// The metric.
    pub value: f64,
    /// Lower bound of the 95 % interval.
    pub low: f64,
    /// Upper bound.
    pub high: f64,
    /// Number of items in it.
    pub n: usize,
    /// The outcome of the items that it averages.
    pub outcome: String,
    /// Whether all items have equal weight, or the groups.
    pub over: Over,
    /// Whether it is a headline metric for `compare`.
    pub headline: bool,
}

/// Scores with texts cut to one length.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LengthRow {
    /// Tokens, start and end included.
    pub tokens: usize,
    /// True if the model's context is shorter: then there are no scores.
    pub beyond_context: bool,
    /// Number of texts that lost tokens at this length.
    pub cut_texts: usize,
    /// Median time of one text of exactly this length, alone, on this machine; in milliseconds.
    pub milliseconds_per_text: Option<f64>,
    /// The headline metrics.
    pub metrics: BTreeMap<String, Metric>,
}

/// The evaluated model.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ModelOfReport {
    /// The model's name.
    pub name: String,
    /// The precision of the run.
    pub precision: String,
    /// sha256 of the bundle's `bundle.json`, which contains the checksums of all other files.
    pub manifest_sha256: String,
    /// Maximum number of tokens of a text, including start and end.
    pub context_length: usize,
}

/// A result.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Report {
    /// 1.
    pub schema_version: u32,
    /// Version of the program that wrote it.
    pub program: String,
    /// Name of the benchmark.
    pub benchmark: String,
    /// Other settings that define the benchmark.
    pub options: BTreeMap<String, String>,
    /// The evaluated model.
    pub model: ModelOfReport,
    /// sha256 over benchmark, texts, images and their assignment: equal for equal data in any location.
    pub data_fingerprint: String,
    /// Number of records in the data.
    pub records: usize,
    /// Number of items that were scored.
    pub scored: usize,
    /// Number of different texts.
    pub texts: usize,
    /// Number of texts that lost tokens to the model's context.
    pub truncated_texts: usize,
    /// Number of images.
    pub images: usize,
    /// Data that could not be read or embedded.
    pub broken: Vec<Broken>,
    /// Number of resamples for an interval.
    pub resamples: usize,
    /// Seed of the resampling.
    pub seed: u64,
    /// Share of the resamples inside an interval.
    pub confidence: f64,
    /// Metrics by name.
    pub metrics: BTreeMap<String, Metric>,
    /// The scores with shorter texts, if requested.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub lengths: Vec<LengthRow>,
    /// The measures of each category and choice of references, of `anomaly`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub anomaly: Vec<CategoryResult>,
    /// The outcome of each item.
    pub items: Vec<ScoredItem>,
}

/// Computes metrics with their intervals. A metric without items is left out.
pub(super) fn metrics(
    specs: &[MetricSpec],
    items: &[ScoredItem],
    how: Resampling,
) -> BTreeMap<String, Metric> {
    let all = specs.iter().filter_map(|spec| {
        let strata = strata(items, &spec.outcome, &spec.over);
        let (low, high) = interval(&strata, how);
        let metric = Metric {
            value: value(&strata)?,
            low,
            high,
            n: strata.iter().map(Vec::len).sum(),
            outcome: spec.outcome.clone(),
            over: spec.over.clone(),
            headline: spec.headline,
        };
        Some((spec.name.clone(), metric))
    });
    all.collect()
}

impl Report {
    /// Reads a result.
    ///
    /// # Errors
    /// If the file is not a result or has another version.
    pub fn read(path: &Path) -> anyhow::Result<Self> {
        #[derive(Deserialize)]
        struct Versioned {
            schema_version: Option<u32>,
        }
        let named = || path.display().to_string();
        let bytes = std::fs::read(path).with_context(named)?;
        let text = byte_order_mark::dropped(&bytes);
        let version: Versioned = serde_json::from_slice(text).with_context(named)?;
        match version.schema_version {
            Some(SCHEMA_VERSION) => {}
            Some(other) => bail!(
                "{} has schema version {other}, this program reads {SCHEMA_VERSION}",
                named()
            ),
            None => bail!("{} is not a result of `clip-in eval`", named()),
        }
        let report: Self = serde_json::from_slice(text).with_context(named)?;
        let mut ids = std::collections::HashSet::new();
        if let Some(item) = report.items.iter().find(|item| !ids.insert(&item.id)) {
            bail!("{}: two items have the id {}", named(), item.id);
        }
        Ok(report)
    }

    /// Writes the report.
    ///
    /// # Errors
    /// If the file cannot be written.
    pub fn write(&self, path: &Path) -> anyhow::Result<()> {
        let text = serde_json::to_string_pretty(self)?;
        std::fs::write(path, text + "\n")
            .with_context(|| format!("cannot write {}", path.display()))
    }

    /// Share of the records that are not scored or partly broken, in percent.
    pub fn broken_percent(&self) -> f64 {
        let lost = self.records.saturating_sub(self.scored);
        let broken = lost.max(self.broken.len());
        100.0 * broken as f64 / self.records.max(1) as f64
    }

    pub(super) fn confidence() -> f64 {
        CONFIDENCE
    }
}
