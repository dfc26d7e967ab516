//! Log lines to standard error: for people, or JSON for machines.
//!
//! A separate thread writes them. If the log blocks (a pipe that no program reads, a slow disk), lines are lost, but
//! requests are not delayed.

use std::io::IsTerminal;
use std::sync::OnceLock;

use clap::ValueEnum;
use tracing_appender::non_blocking::{ErrorCounter, NonBlockingBuilder, WorkerGuard};
use tracing_subscriber::EnvFilter;

/// Maximum number of waiting lines; about a megabyte.
const WAITING_LINES: usize = 2000;

static LOST: OnceLock<ErrorCounter> = OnceLock::new();

/// Format of a log line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}

/// Must be kept until the end: when it is dropped, waiting lines are written, for at most a second.
#[must_use = "lines that wait to be written are lost without it"]
#[derive(Debug)]
pub struct Log(#[expect(dead_code, reason = "it works by being dropped")] WorkerGuard);

/// Starts logging; `filter` is in `tracing`'s syntax (`info`, `clip_in=debug,warn`). Only the first call has an effect.
pub fn start_logging(format: LogFormat, filter: &str) -> Log {
    let wanted = filter;
    let mut filter = EnvFilter::try_new(wanted).unwrap_or_else(|_| EnvFilter::new("info"));
    // At `trace` this library writes thirty thousand lines while a model is loaded.
    if !wanted.contains("tokenizers")
        && let Ok(quiet) = "tokenizers=info".parse()
    {
        filter = filter.add_directive(quiet);
    }
    // It would warn for each frame of a client that violates the protocol, thousands per second; the end of the connection
    // is logged here.
    if !wanted.contains("h2")
        && let Ok(quiet) = "h2=error".parse()
    {
        filter = filter.add_directive(quiet);
    }
    let (writer, guard) = NonBlockingBuilder::default()
        .lossy(true)
        .buffered_lines_limit(WAITING_LINES)
        .thread_name("log")
        .finish(std::io::stderr());
    let lost = writer.error_counter();
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        // Colours only for a terminal, not for a file or a pipe.
        .with_ansi(std::io::stderr().is_terminal())
        .with_writer(writer)
        // A line that cannot be written (a full disk, a closed pipe) is lost. An error message about it would go the same
        // way, fail too, and end the thread that logs: a request or a worker.
        .log_internal_errors(false);
    // A second subscriber (in tests) is refused; that is not an error.
    let started = match format {
        LogFormat::Text => builder.with_target(false).try_init(),
        LogFormat::Json => builder
            .json()
            .flatten_event(true)
            // The request's span is the only one, so it is printed once.
            .with_span_list(false)
            .try_init(),
    };
    if started.is_ok() {
        LOST.get_or_init(|| lost);
    }
    Log(guard)
}

/// Number of lines since the start that were not written because the log blocked.
pub fn lost_log_lines() -> u64 {
    LOST.get().map_or(0, |lost| lost.dropped_lines() as u64)
}
