//! Errors of a store. Its user translates them: they do not name what is stored.

use crate::quoted::quoted;

/// The reason why something could not be stored.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The name is not a valid file name.
    #[error("{} is not a name: 1 to 64 letters, digits, '-', '_' and '.', the first not a '.'", quoted(.0))]
    BadName(String),
    /// The maximum number of entries, which this is, is reached.
    #[error("there are {0} already; delete some")]
    TooMany(usize),
    /// The maximum size of all entries is reached.
    #[error("all together would have {} MiB; at most {} MiB are allowed; delete some", bytes >> 20, most >> 20)]
    TooManyBytes {
        /// Bytes that there would be.
        bytes: usize,
        /// Bytes that are allowed.
        most: usize,
    },
    /// Another server has put or deleted the entry meanwhile.
    #[error("another server changed it at the same time; send the request again")]
    Changed,
    /// The database that several servers share does not answer, or refuses.
    #[error("the shared database: {0}")]
    Database(#[from] sqlx::Error),
    /// Reading or writing failed.
    #[error(transparent)]
    Disk(#[from] std::io::Error),
}
