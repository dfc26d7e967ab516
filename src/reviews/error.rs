//! Errors of the store.

use crate::database::DatabaseError;

/// Why something was not stored or found.
#[derive(Debug, thiserror::Error)]
pub enum ReviewError {
    /// The database does not answer, refuses, or its disk is full.
    #[error("the database of the lines: {0}")]
    Database(#[from] sqlx::Error),
    /// The database did not answer a moment ago.
    #[error("the database of the lines does not answer")]
    Unreachable,
    /// The database was away for too long.
    #[error("{0} inspections wait for the database already")]
    TooManyWait(usize),
    /// The database is of a later program, or a migration failed.
    #[error("the database of the lines cannot be prepared: {0}")]
    Migration(#[from] sqlx::migrate::MigrateError),
    /// An image cannot be written or read.
    #[error("the images of the lines: {0}")]
    Images(String),
    /// The object store does not take an image, or does not have it.
    #[error("the images of the lines: {0}")]
    Bucket(String),
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
    /// The line has as many planted items as it may have.
    #[error("the line has {0} planted items already: take some out of the queue, with DELETE")]
    TooManyPlanted(i64),
    /// The image was deleted.
    #[error("the image was deleted")]
    ImageDeleted,
}

impl ReviewError {
    /// Whether the database or the object store is not there, or has no room: the same may be stored later.
    pub fn is_outage(&self) -> bool {
        match self {
            Self::Unreachable | Self::Bucket(_) => true,
            Self::Database(sqlx::Error::Database(error)) => {
                error.code().is_some_and(|code| is_outage(&code))
            }
            Self::Database(error) => matches!(
                error,
                sqlx::Error::Io(_)
                    | sqlx::Error::Tls(_)
                    | sqlx::Error::Protocol(_)
                    | sqlx::Error::PoolTimedOut
                    | sqlx::Error::PoolClosed
                    | sqlx::Error::WorkerCrashed
            ),
            _ => false,
        }
    }
}

/// PostgreSQL's codes have five characters: connections, resources, an operator's action, the system, a server that only
/// reads, and its own faults. SQLite's are numbers: busy, locked, read-only, input and output, full, cannot open.
fn is_outage(code: &str) -> bool {
    if code.len() == 5 {
        let classes = ["08", "53", "57", "58", "XX"];
        return code == "25006" || classes.iter().any(|class| code.starts_with(class));
    }
    let code: Option<u32> = code.parse().ok();
    code.is_some_and(|code| matches!(code & 0xff, 5 | 6 | 8 | 10 | 13 | 14))
}

impl From<DatabaseError> for ReviewError {
    fn from(error: DatabaseError) -> Self {
        match error {
            DatabaseError::Sql(error) => Self::Database(error),
            DatabaseError::Migration(error) => Self::Migration(error),
        }
    }
}

impl From<object_store::Error> for ReviewError {
    fn from(error: object_store::Error) -> Self {
        Self::Images(error.to_string())
    }
}

impl From<serde_json::Error> for ReviewError {
    fn from(error: serde_json::Error) -> Self {
        Self::Content(error.to_string())
    }
}
