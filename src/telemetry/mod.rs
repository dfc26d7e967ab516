//! What can be seen from outside: metrics and logs.

mod metrics;
mod tracing_setup;

pub use metrics::Metrics;
pub use tracing_setup::{LogFormat, start_logging};
