//! Errors about label sets, and the limits of their number and size.

use crate::engine::{EngineError, ItemError};
use crate::quoted::quoted;

/// Maximum number of sets: far beyond normal use, and a limit on memory.
pub const MOST_SETS: usize = 10_000;

/// Maximum bytes of texts and images in all sets together, in memory and on disk.
pub const MOST_BYTES: usize = 256 << 20;

/// The reason why an operation on a label set failed.
#[derive(Debug, thiserror::Error)]
pub enum LabelSetError {
    /// No label set has this name.
    #[error("no label set {}; PUT /v1/labelsets/{{name}} makes one", quoted(.0))]
    Unknown(String),
    /// The name is not a valid file name.
    #[error(
        "{} is not a name for a label set: 1 to 64 letters, digits, '-', '_' and '.', the first not a '.'",
        quoted(.0)
    )]
    BadName(String),
    /// The definition is invalid.
    #[error("{field}: {reason}")]
    Invalid {
        /// The field.
        field: String,
        /// The problem.
        reason: String,
    },
    /// A text or an example image cannot be embedded.
    #[error("{field}: {error}")]
    Item {
        /// The field.
        field: String,
        /// The problem.
        error: ItemError,
    },
    /// The engine failed or is overloaded.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// The maximum number of sets is reached.
    #[error("there are {MOST_SETS} label sets already; delete some")]
    TooMany,
    /// The maximum size of all sets is reached.
    #[error(
        "all label sets together would have {} MiB of texts and images; at most {} MiB are allowed; delete some, or use fewer images",
        .0 >> 20,
        MOST_BYTES >> 20
    )]
    TooManyBytes(usize),
    /// Writing to disk failed.
    #[error("the label set cannot be stored: {0}")]
    Disk(#[from] std::io::Error),
}
