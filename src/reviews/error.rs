//! Errors of the store.

/// Why something was not stored or found.
#[derive(Debug, thiserror::Error)]
pub enum ReviewError {
    /// The database does not answer, refuses, or its disk is full.
    #[error("the database of the lines: {0}")]
    Database(#[from] sqlx::Error),
    /// The database is of a later program, or a migration failed.
    #[error("the database of the lines cannot be prepared: {0}")]
    Migration(#[from] sqlx::migrate::MigrateError),
    /// An image cannot be written or read.
    #[error("the images of the lines: {0}")]
    Images(#[from] object_store::Error),
    /// A file of the state cannot be written or read.
    #[error("{path}: {reason}")]
    File {
        /// The file.
        path: std::path::PathBuf,
        /// The system's error.
        reason: std::io::Error,
    },
    /// A row has content that this program did not write.
    #[error("the database of the lines has an unusable row: {0}")]
    Content(String),
    /// No inspection has this id.
    #[error("there is no such inspection")]
    NoInspection,
    /// The inspection has a verdict.
    #[error("the inspection has the verdict {0}: undo it first, with DELETE")]
    VerdictExists(String),
    /// There is nothing to undo.
    #[error("the inspection has no verdict")]
    NoVerdict,
    /// The idempotency key came with another image before.
    #[error(
        "the idempotency key was used for other images, inspection {0}: use a new key for each part"
    )]
    KeyReused(String),
    /// The image was deleted.
    #[error("the image was deleted")]
    ImageDeleted,
}

impl From<serde_json::Error> for ReviewError {
    fn from(error: serde_json::Error) -> Self {
        Self::Content(error.to_string())
    }
}
