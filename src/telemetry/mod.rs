//! Observability: metrics, logs, the times of a request's stages, and spans for a collector.

mod compare_metrics;
mod delivery_metrics;
mod gpu_memory;
mod in_flight;
mod labelset_metrics;
mod line_metrics;
mod memory_limit;
mod metrics;
mod registering;
pub mod spans;
pub mod stages;
mod tracing_setup;

pub use compare_metrics::Step;
pub use delivery_metrics::{Attempt, DeliveryMetrics};
pub use in_flight::InFlight;
pub use metrics::Metrics;
pub use spans::{Collector, Spans};
pub use tracing_setup::{Log, LogFormat, start_logging};
