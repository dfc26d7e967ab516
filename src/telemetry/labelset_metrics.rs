//! What label sets make of images: how often they are unsure, and how sure they are. A change of either is drift.

use prometheus::{HistogramVec, IntCounterVec, Registry};

use super::registering::{SCORES, counters, histograms};

/// Two metrics with a series a label set.
#[derive(Debug)]
pub struct LabelSetMetrics {
    decisions: IntCounterVec,
    best_score: HistogramVec,
}

impl LabelSetMetrics {
    pub(super) fn new(registry: &Registry) -> prometheus::Result<Self> {
        Ok(Self {
            decisions: counters(
                registry,
                "clip_in_labelset_decisions_total",
                "Images classified by a label set: decided, or unsure because no label reached the threshold.",
                &["labelset", "decision"],
            )?,
            best_score: histograms(
                registry,
                "clip_in_labelset_best_score",
                "Probability of an image's best label in a label set.",
                "labelset",
                SCORES,
            )?,
        })
    }

    /// Counts what a label set made of an image, and how sure it was of the best label.
    pub fn decision(&self, labelset: &str, decided: bool, best_score: f32) {
        // Both from the first on: a share of all needs both.
        let [yes, no] =
            ["decided", "unsure"].map(|name| self.decisions.with_label_values(&[labelset, name]));
        if decided { yes } else { no }.inc();
        let scores = self.best_score.with_label_values(&[labelset]);
        scores.observe(f64::from(best_score));
    }

    /// Removes the series of a label set that is gone.
    pub fn forget(&self, labelset: &str) {
        // A set that nobody asked for has none: that is no error.
        for decision in ["decided", "unsure"] {
            let labels = [labelset, decision];
            let _ = self.decisions.remove_label_values(&labels);
        }
        let _ = self.best_score.remove_label_values(&[labelset]);
    }
}
