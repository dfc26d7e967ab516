//! Logs once when a collector stops answering, and once when it answers again, not at every batch.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::trace::{SpanData, SpanExporter};

/// An exporter that logs the start and the end of a failure.
#[derive(Debug)]
pub struct SaysOnce<E> {
    exporter: E,
    /// For the log.
    endpoint: String,
    /// Spans lost since the last success; batches are never empty.
    lost: AtomicU64,
}

impl<E> SaysOnce<E> {
    /// Wraps an exporter that sends to this endpoint.
    pub fn new(exporter: E, endpoint: String) -> Self {
        Self {
            exporter,
            endpoint,
            lost: AtomicU64::new(0),
        }
    }
}

impl<E: SpanExporter> SpanExporter for SaysOnce<E> {
    async fn export(&self, batch: Vec<SpanData>) -> OTelSdkResult {
        let spans = batch.len() as u64;
        let result = self.exporter.export(batch).await;
        let endpoint = self.endpoint.as_str();
        match &result {
            Ok(()) => {
                let lost = self.lost.swap(0, Ordering::Relaxed);
                if lost > 0 {
                    tracing::info!(endpoint, lost, "the collector accepts spans again");
                }
            }
            Err(error) => {
                if self.lost.fetch_add(spans, Ordering::Relaxed) == 0 {
                    tracing::warn!(endpoint, %error, "the collector does not accept spans; they are lost until it does");
                }
            }
        }
        result
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.exporter.shutdown_with_timeout(timeout)
    }

    fn shutdown(&self) -> OTelSdkResult {
        self.exporter.shutdown()
    }

    fn force_flush(&self) -> OTelSdkResult {
        self.exporter.force_flush()
    }

    fn set_resource(&mut self, resource: &Resource) {
        self.exporter.set_resource(resource);
    }
}
