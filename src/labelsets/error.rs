//! What can be wrong with a label set, and how much a server keeps.

use crate::engine::{EngineError, ItemError};
use crate::quoted::quoted;

/// Sets that a server keeps: far beyond any honest use, and a bound on memory.
pub const MOST_SETS: usize = 10_000;

/// Bytes of texts and images in all sets together: as much is in memory and on disk.
pub const MOST_BYTES: usize = 256 << 20;

/// Why something about a label set failed.
#[derive(Debug, thiserror::Error)]
pub enum LabelSetError {
    /// There is none of that name.
    #[error("there is no label set {}; PUT /v1/labelsets/{{name}} makes one", quoted(.0))]
    Unknown(String),
    /// The name cannot be a file's name.
    #[error(
        "{} is not a name for a label set: 1 to 64 letters, digits, '-', '_' and '.', the first not a '.'",
        quoted(.0)
    )]
    BadName(String),
    /// The definition makes no sense.
    #[error("{field}: {reason}")]
    Invalid {
        /// The field.
        field: String,
        /// What is wrong with it.
        reason: String,
    },
    /// A text or an example image cannot be embedded.
    #[error("{field}: {error}")]
    Item {
        /// The field.
        field: String,
        /// What is wrong with it.
        error: ItemError,
    },
    /// The engine could not do it now.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// There are as many as there may be.
    #[error("there are {MOST_SETS} label sets already; delete some")]
    TooMany,
    /// Together they are as large as they may be.
    #[error(
        "all label sets together would have {} MiB of texts and images, at most {} MiB are kept; delete some, or use fewer images",
        .0 >> 20,
        MOST_BYTES >> 20
    )]
    TooManyBytes(usize),
    /// The disk refused.
    #[error("the label set cannot be kept: {0}")]
    Disk(#[from] std::io::Error),
}
