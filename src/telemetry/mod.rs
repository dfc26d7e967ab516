//! What can be seen from outside: metrics, logs, and the times of a request's stages.

mod in_flight;
mod memory_limit;
mod metrics;
mod registering;
pub mod stages;
mod tracing_setup;

pub use in_flight::InFlight;
pub use metrics::Metrics;
pub use tracing_setup::{LogFormat, start_logging};
