//! The decisions of label sets: how often they are undecided, and how high the probabilities are. A change of either is
//! drift.

use prometheus::{HistogramVec, IntCounterVec, Registry};

use super::registering::{SCORES, counters, histograms};

/// Two metrics with one series per label set.
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

    /// Counts the decision of a label set about an image, and the probability of the best label.
    pub fn decision(&self, labelset: &str, decided: bool, best_score: f32) {
        // Both series exist from the first image on, because a share needs both.
        let [yes, no] =
            ["decided", "unsure"].map(|name| self.decisions.with_label_values(&[labelset, name]));
        if decided { yes } else { no }.inc();
        let scores = self.best_score.with_label_values(&[labelset]);
        scores.observe(f64::from(best_score));
    }

    /// Removes the series of a label set that was deleted.
    pub fn forget(&self, labelset: &str) {
        // A set that was never used has none: that is not an error.
        for decision in ["decided", "unsure"] {
            let labels = [labelset, decision];
            let _ = self.decisions.remove_label_values(&labels);
        }
        let _ = self.best_score.remove_label_values(&[labelset]);
    }
}
