//! Log lines to standard error: for people, or JSON for machines.

use std::io::IsTerminal;

use clap::ValueEnum;
use tracing_subscriber::EnvFilter;

/// Shape of a log line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}

/// Starts logging; `filter` is in `tracing`'s syntax (`info`, `clip_in=debug,warn`). Only the first call has an effect.
pub fn start_logging(format: LogFormat, filter: &str) {
    let filter = EnvFilter::try_new(filter).unwrap_or_else(|_| EnvFilter::new("info"));
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        // Colours are for eyes: a file or a pipe gets none.
        .with_ansi(std::io::stderr().is_terminal())
        .with_writer(std::io::stderr)
        // A line that cannot be written (a full disk, a reader that is gone) is lost. The complaint about it would go the
        // same way, fail too, and end the thread that has something to say: a request, or a worker.
        .log_internal_errors(false);
    // A second subscriber (in tests) is refused; that is no error.
    let _ = match format {
        LogFormat::Text => builder.with_target(false).try_init(),
        LogFormat::Json => builder
            .json()
            .flatten_event(true)
            // The request's span is the only one there is: once is enough.
            .with_span_list(false)
            .try_init(),
    };
}
