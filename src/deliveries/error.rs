//! Why a file of sinks cannot be used. No message shows what is in a file with a secret.

use std::path::PathBuf;

/// The reason why sinks cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum SinkError {
    /// A file cannot be read.
    #[error("cannot read {path}: {reason}")]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// The system's error.
        reason: std::io::Error,
    },
    /// A file has invalid content.
    #[error("{place}: {reason}")]
    Invalid {
        /// File, with the line or the sink.
        place: String,
        /// The problem.
        reason: String,
    },
}
