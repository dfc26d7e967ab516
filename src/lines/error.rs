//! Errors about lines.

use crate::promise::{ScoreError, TooManyParts, Unanswered};
use crate::quoted::quoted;
use crate::reviews::ReviewError;

/// Why something about a line failed.
#[derive(Debug, thiserror::Error)]
pub enum LineError {
    /// No line has this name.
    #[error("no line {}; PUT /v1/lines/{{line}} makes one", quoted(.0))]
    Unknown(String),
    /// The name is not valid.
    #[error(
        "{} is not a name for a line: 1 to 59 letters, digits, '-', '_' and '.', the first not a '.'",
        quoted(.0)
    )]
    BadName(String),
    /// There are too many lines.
    #[error("there are {0} lines already; delete some")]
    TooMany(usize),
    /// The line has got another version.
    #[error("the line {} was changed meanwhile: look at it, and try again", quoted(.0))]
    Changed(String),
    /// A field is invalid.
    #[error("{field}: {reason}")]
    Invalid {
        /// The field.
        field: String,
        /// The problem.
        reason: String,
    },
    /// A part to calibrate with was in the review queue.
    #[error(
        "the line sent this part to review (inspection {0}): labels of parts that the line chose itself cannot calibrate it"
    )]
    FromReview(String),
    /// Audited inspections have no verdict.
    #[error(transparent)]
    Unanswered(#[from] Unanswered),
    /// A class has too many parts.
    #[error(transparent)]
    TooManyParts(#[from] TooManyParts),
    /// A part has no usable score.
    #[error(transparent)]
    Score(#[from] ScoreError),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] ReviewError),
}

impl LineError {
    /// A field that is invalid.
    pub fn invalid(field: impl Into<String>, reason: impl Into<String>) -> Self {
        Self::Invalid {
            field: field.into(),
            reason: reason.into(),
        }
    }
}
