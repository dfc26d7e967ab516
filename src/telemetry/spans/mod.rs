//! Spans for an OpenTelemetry collector, if there is one: one span per request, sent by OTLP over gRPC.
//!
//! A span contains only the attributes that are set explicitly: no log line, header, text or image can get into one by
//! accident. Spans wait in a bounded queue that a separate thread empties; if the queue is full, a span is dropped.

mod collector;
mod exporter;
pub mod request_span;

use std::sync::Arc;
use std::time::Duration;

use opentelemetry::trace::{SpanContext, TraceContextExt, TraceFlags, TraceState, TracerProvider};
use opentelemetry::{Context, InstrumentationScope, KeyValue};
use opentelemetry_otlp::{WithExportConfig, WithTonicConfig};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::{SdkTracer, SdkTracerProvider};

pub use collector::Collector;
use exporter::SaysOnce;
use request_span::RequestSpan;

/// Timeout for connecting to the collector and for its answer.
const EXPORT_TIME: Duration = Duration::from_secs(10);

/// Maximum time that a stop waits for the last spans to be sent.
const FLUSH_TIME: Duration = Duration::from_secs(3);

const VERSION: &str = env!("CARGO_PKG_VERSION");

/// The exporter to the collector.
#[derive(Debug, Clone)]
pub struct Spans {
    provider: SdkTracerProvider,
    tracer: Arc<SdkTracer>,
}

/// The caller's span.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Parent {
    /// Never 0.
    pub trace_id: u128,
    /// Never 0.
    pub span_id: u64,
    /// Whether the caller records its part; if not, nothing is recorded here either.
    pub sampled: bool,
}

impl Spans {
    /// Sends spans to this collector from now on. The connection is made when there is something to send; an unreachable
    /// collector is not an error. Must be called within a tokio runtime.
    ///
    /// # Errors
    /// A sentence about an invalid endpoint or environment.
    pub fn to(collector: Collector) -> Result<Self, String> {
        let endpoint = collector.to_string();
        let channel = collector
            .into_channel()
            .map_err(|reason| format!("--otlp-endpoint {endpoint}: {reason}"))?;
        let exporter = opentelemetry_otlp::SpanExporter::builder()
            .with_tonic()
            .with_channel(channel)
            .with_timeout(EXPORT_TIME)
            .build()
            .map_err(|error| format!("--otlp-endpoint {endpoint}: {error}"))?;
        let mut resource =
            Resource::builder().with_attribute(KeyValue::new("service.version", VERSION));
        if !is_named_by_environment() {
            resource = resource.with_service_name("clip-in");
        }
        let provider = SdkTracerProvider::builder()
            .with_resource(resource.build())
            .with_batch_exporter(SaysOnce::new(exporter, endpoint))
            .build();
        let scope = InstrumentationScope::builder("clip-in");
        let tracer = provider.tracer_with_scope(scope.with_version(VERSION).build());
        Ok(Self {
            provider,
            tracer: Arc::new(tracer),
        })
    }

    /// Begins the span of a request with this id and method, as a child of the caller's span if there is one.
    pub fn begin(&self, parent: Option<Parent>, id: &str, method: &str) -> RequestSpan {
        let context = parent.map_or_else(Context::new, |parent| {
            let flags = TraceFlags::default().with_sampled(parent.sampled);
            let (trace, span) = (parent.trace_id.into(), parent.span_id.into());
            let remote = SpanContext::new(trace, span, flags, true, TraceState::default());
            Context::new().with_remote_span_context(remote)
        });
        RequestSpan::start(&self.tracer, &context, id, method)
    }

    /// Sends the waiting spans, within a time limit. Blocks; nothing is recorded afterwards.
    pub fn flush(&self) {
        if let Err(error) = self.provider.shutdown_with_timeout(FLUSH_TIME) {
            tracing::warn!(%error, "the last spans were not sent");
        }
    }
}

/// Whether the environment names the service; the SDK reads that itself.
fn is_named_by_environment() -> bool {
    let set = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
    let attributes = set("OTEL_RESOURCE_ATTRIBUTES").unwrap_or_default();
    let mut keys = attributes
        .split(',')
        .filter_map(|pair| pair.split_once('='));
    set("OTEL_SERVICE_NAME").is_some() || keys.any(|(key, _)| key.trim() == "service.name")
}
