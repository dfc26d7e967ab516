//! Decisions of inspection lines, and what raises an alarm. A server has a bounded number of lines, and each line the same
//! few series.

use prometheus::{IntCounterVec, IntGauge, IntGaugeVec, Registry};

use super::registering::{counters, gauge, gauges};
use crate::lines::Reason;

/// What a line decides.
const DECISIONS: [&str; 3] = ["ok", "ng", "review"];

/// What became of inspections for the shadow of a line.
const SHADOWED: [&str; 5] = ["agree", "differ", "stale", "dropped", "failed"];

/// Metrics with a label for the line.
#[derive(Debug)]
pub struct LineMetrics {
    inspections: IntCounterVec,
    reasons: IntCounterVec,
    missed_triggers: IntCounterVec,
    drift: IntGaugeVec,
    waiting: IntGauge,
    shadow: IntCounterVec,
}

impl LineMetrics {
    pub(super) fn new(registry: &Registry) -> prometheus::Result<Self> {
        Ok(Self {
            inspections: counters(
                registry,
                "clip_in_line_inspections_total",
                "Inspections of a line that were stored, by decision.",
                &["line", "decision"],
            )?,
            reasons: counters(
                registry,
                "clip_in_line_reviews_total",
                "Reasons for which a line sent parts to review.",
                &["line", "reason"],
            )?,
            missed_triggers: counters(
                registry,
                "clip_in_line_missed_triggers_total",
                "Numbers that are missing between the triggers of a line's stations.",
                &["line"],
            )?,
            drift: gauges(
                registry,
                "clip_in_line_drift",
                "1 while a line's promise is suspended because a monitor raised an alarm.",
                &["line"],
            )?,
            shadow: counters(
                registry,
                "clip_in_line_shadow_inspections_total",
                "Inspections that were handed to the shadow of a line: agree, differ, stale (its reference was changed), dropped (too many waited), failed.",
                &["line", "outcome"],
            )?,
            waiting: gauge(
                registry,
                "clip_in_line_waiting_inspections",
                "Inspections that are answered and wait on disk, because the database or the object store is not there.",
            )?,
        })
    }

    /// Number of inspections that wait for the database or the object store.
    pub fn waiting(&self, inspections: usize) {
        self.waiting
            .set(i64::try_from(inspections).unwrap_or(i64::MAX));
    }

    /// Counts an inspection. All series of the line exist from the first one on, because shares need all.
    pub fn inspected<'a>(
        &self,
        line: &str,
        decision: &str,
        reasons: impl Iterator<Item = &'a str>,
        missed: i64,
    ) {
        for known in DECISIONS {
            let count = u64::from(known == decision);
            self.inspections
                .with_label_values(&[line, known])
                .inc_by(count);
        }
        for reason in Reason::ALL {
            self.reasons
                .with_label_values(&[line, reason.name()])
                .inc_by(0);
        }
        for reason in reasons {
            self.reasons.with_label_values(&[line, reason]).inc();
        }
        let missed = u64::try_from(missed).unwrap_or_default();
        self.missed_triggers
            .with_label_values(&[line])
            .inc_by(missed);
    }

    /// Counts an inspection for the shadow of a line. All series of the line exist from the first one on.
    pub fn shadowed(&self, line: &str, outcome: &str) {
        for known in SHADOWED {
            let count = u64::from(known == outcome);
            self.shadow.with_label_values(&[line, known]).inc_by(count);
        }
    }

    /// Whether a line's promise is suspended.
    pub fn drift(&self, line: &str, is_suspended: bool) {
        self.drift
            .with_label_values(&[line])
            .set(i64::from(is_suspended));
    }

    /// Removes the series of a line that was deleted.
    pub fn forget(&self, line: &str) {
        // A line that was never used has none: that is not an error.
        for decision in DECISIONS {
            let _ = self.inspections.remove_label_values(&[line, decision]);
        }
        for reason in Reason::ALL {
            let _ = self.reasons.remove_label_values(&[line, reason.name()]);
        }
        for outcome in SHADOWED {
            let _ = self.shadow.remove_label_values(&[line, outcome]);
        }
        let _ = self.missed_triggers.remove_label_values(&[line]);
        let _ = self.drift.remove_label_values(&[line]);
    }
}
