//! Parts of a benchmark that could not be read or embedded.

use serde::{Deserialize, Serialize};

/// Something that could not be read or embedded.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Broken {
    /// File, or file:row.
    pub place: String,
    /// The reason.
    pub reason: String,
}

impl Broken {
    pub(super) fn new(place: impl Into<String>, reason: impl Into<String>) -> Self {
        Self {
            place: place.into(),
            reason: reason.into(),
        }
    }
}
