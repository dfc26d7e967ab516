//! Comparisons with references: how long their steps take, and how pictures lie.

use prometheus::{Histogram, HistogramVec, IntCounterVec, Registry};

use super::registering::{FINE_SECONDS, counters, histogram, histograms};

/// A step of a comparison.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// Decoding a picture, scaling it and aligning it with the reference.
    Align,
    /// From the features to scores and places.
    Compare,
    /// Writing a map as a file.
    Map,
    /// Scoring the statements.
    Statements,
}

impl Step {
    /// All steps, in order.
    pub const ALL: [Self; 4] = [Self::Align, Self::Compare, Self::Map, Self::Statements];

    /// Name in metrics.
    pub fn name(self) -> &'static str {
        match self {
            Self::Align => "align",
            Self::Compare => "compare",
            Self::Map => "map",
            Self::Statements => "statements",
        }
    }
}

/// How a picture lies, as a label: the values of `registration.status`.
const STATUSES: [&str; 3] = ["aligned", "identity", "pose"];

/// Metrics of comparisons.
#[derive(Debug)]
pub struct CompareMetrics {
    steps: HistogramVec,
    registrations: IntCounterVec,
    /// Computing the maps of one picture, including the wait for a worker.
    pub features_seconds: Histogram,
}

impl CompareMetrics {
    pub(super) fn new(registry: &Registry) -> prometheus::Result<Self> {
        let this = Self {
            steps: histograms(
                registry,
                "clip_in_compare_seconds",
                "Time of a step of comparing one picture with a reference: align, compare, map, statements.",
                "step",
                FINE_SECONDS,
            )?,
            registrations: counters(
                registry,
                "clip_in_registrations_total",
                "Pictures compared with a reference, by how they lie: aligned, identity, or pose, which cannot be aligned.",
                &["status"],
            )?,
            features_seconds: histogram(
                registry,
                "clip_in_features_seconds",
                "Computing the features of one picture, including the wait for a worker.",
                FINE_SECONDS,
            )?,
        };
        // All exist from the start, because a share needs all.
        for status in STATUSES {
            this.registrations.with_label_values(&[status]);
        }
        for step in Step::ALL {
            this.steps.with_label_values(&[step.name()]);
        }
        Ok(this)
    }

    /// Notes the time of a step.
    pub fn note(&self, step: Step, time: std::time::Duration) {
        let seconds = self.steps.with_label_values(&[step.name()]);
        seconds.observe(time.as_secs_f64());
    }

    /// Counts a picture; `status` is `aligned`, `identity` or `pose`.
    pub fn count(&self, status: &str) {
        self.registrations.with_label_values(&[status]).inc();
    }
}
