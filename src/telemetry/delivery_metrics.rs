//! Messages to the sinks of a server. A server has at most 16 sinks, and each sink the same few series.

use prometheus::{IntCounterVec, IntGaugeVec, Registry};

use super::registering::{counters, gauges};

/// How an attempt to deliver a message ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Attempt {
    /// The receiver has acknowledged it.
    Delivered,
    /// The receiver refuses this message.
    Refused,
    /// The receiver is not there, or takes nothing now.
    Failed,
}

impl Attempt {
    const ALL: [Self; 3] = [Self::Delivered, Self::Refused, Self::Failed];

    const fn name(self) -> &'static str {
        match self {
            Self::Delivered => "delivered",
            Self::Refused => "refused",
            Self::Failed => "failed",
        }
    }
}

/// Metrics with a label for the sink.
#[derive(Debug)]
pub struct DeliveryMetrics {
    attempts: IntCounterVec,
    pending: IntGaugeVec,
    dead: IntGaugeVec,
    oldest: IntGaugeVec,
}

impl DeliveryMetrics {
    pub(super) fn new(registry: &Registry) -> prometheus::Result<Self> {
        Ok(Self {
            attempts: counters(
                registry,
                "clip_in_delivery_attempts_total",
                "Attempts to deliver a message to a sink: delivered, refused, or failed because the receiver is away.",
                &["sink", "result"],
            )?,
            pending: gauges(
                registry,
                "clip_in_deliveries_pending",
                "Messages that wait for a sink.",
                &["sink"],
            )?,
            dead: gauges(
                registry,
                "clip_in_deliveries_dead",
                "Messages that were given up, and are kept until they are put back.",
                &["sink"],
            )?,
            oldest: gauges(
                registry,
                "clip_in_deliveries_oldest_seconds",
                "How long the first of the messages has waited for a sink; 0 if none waits.",
                &["sink"],
            )?,
        })
    }

    /// Counts an attempt. All series of the sink exist from the first one on.
    pub fn attempted(&self, sink: &str, result: Attempt) {
        for known in Attempt::ALL {
            let count = u64::from(known == result);
            let series = self.attempts.with_label_values(&[sink, known.name()]);
            series.inc_by(count);
        }
    }

    /// What is in the outbox for a sink.
    pub fn backlog(&self, sink: &str, pending: i64, dead: i64, oldest_seconds: i64) {
        self.pending.with_label_values(&[sink]).set(pending);
        self.dead.with_label_values(&[sink]).set(dead);
        self.oldest.with_label_values(&[sink]).set(oldest_seconds);
    }
}
