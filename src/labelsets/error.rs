//! Errors about label sets.

use crate::engine::{EngineError, ItemError};
use crate::named::StoreError;
use crate::quoted::quoted;

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
    #[error("there are {0} label sets already; delete some")]
    TooMany(usize),
    /// The maximum size of all sets is reached.
    #[error(
        "all label sets together would have {} MiB of texts and images; at most {} MiB are allowed; delete some, or use fewer images",
        bytes >> 20,
        most >> 20
    )]
    TooManyBytes {
        /// Bytes that there would be.
        bytes: usize,
        /// Bytes that are allowed.
        most: usize,
    },
    /// Another server has changed it at the same time, or the database that they share fails.
    #[error(transparent)]
    Shared(StoreError),
    /// Writing to disk failed.
    #[error("the label set cannot be stored: {0}")]
    Disk(#[from] std::io::Error),
}

impl From<StoreError> for LabelSetError {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::BadName(name) => Self::BadName(name),
            StoreError::TooMany(most) => Self::TooMany(most),
            StoreError::TooManyBytes { bytes, most } => Self::TooManyBytes { bytes, most },
            StoreError::Disk(error) => Self::Disk(error),
            error @ (StoreError::Changed | StoreError::Database(_)) => Self::Shared(error),
        }
    }
}
