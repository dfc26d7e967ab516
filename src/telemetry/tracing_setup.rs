//! Log lines to standard error: for people, or JSON for machines.
//!
//! A thread of its own writes them. A log that takes no more (a pipe that nobody empties, a slow disk) costs lines, and never
//! a request's time.

use std::io::IsTerminal;
use std::sync::OnceLock;

use clap::ValueEnum;
use tracing_appender::non_blocking::{ErrorCounter, NonBlockingBuilder, WorkerGuard};
use tracing_subscriber::EnvFilter;

/// Lines that may wait to be written; about a megabyte.
const WAITING_LINES: usize = 2000;

static LOST: OnceLock<ErrorCounter> = OnceLock::new();

/// Shape of a log line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}

/// Keep it until the end: when it is dropped, what waits is written, for at most a second.
#[must_use = "lines that wait to be written are lost without it"]
#[derive(Debug)]
pub struct Log(#[expect(dead_code, reason = "it works by being dropped")] WorkerGuard);

/// Starts logging; `filter` is in `tracing`'s syntax (`info`, `clip_in=debug,warn`). Only the first call has an effect.
pub fn start_logging(format: LogFormat, filter: &str) -> Log {
    let wanted = filter;
    let mut filter = EnvFilter::try_new(wanted).unwrap_or_else(|_| EnvFilter::new("info"));
    // At `trace` this library has thirty thousand lines to say while a model is loaded.
    if !wanted.contains("tokenizers")
        && let Ok(quiet) = "tokenizers=info".parse()
    {
        filter = filter.add_directive(quiet);
    }
    // A client that breaks the protocol makes it warn for each frame, thousands a second; a connection's end is our line.
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
        // Colours are for eyes: a file or a pipe gets none.
        .with_ansi(std::io::stderr().is_terminal())
        .with_writer(writer)
        // A line that cannot be written (a full disk, a reader that is gone) is lost. The complaint about it would go the
        // same way, fail too, and end the thread that has something to say: a request, or a worker.
        .log_internal_errors(false);
    // A second subscriber (in tests) is refused; that is no error.
    let started = match format {
        LogFormat::Text => builder.with_target(false).try_init(),
        LogFormat::Json => builder
            .json()
            .flatten_event(true)
            // The request's span is the only one there is: once is enough.
            .with_span_list(false)
            .try_init(),
    };
    if started.is_ok() {
        LOST.get_or_init(|| lost);
    }
    Log(guard)
}

/// Lines that were not written because the log took no more, since the start.
pub fn lost_log_lines() -> u64 {
    LOST.get().map_or(0, |lost| lost.dropped_lines() as u64)
}
