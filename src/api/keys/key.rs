//! One API key, and why keys cannot be used.

use std::path::PathBuf;
use std::sync::Arc;

use tokio::sync::Semaphore;

use super::role::Role;
use crate::engine::{Lane, Tenant};

/// A key that was read and checked.
pub(super) struct Key {
    pub(super) name: Arc<str>,
    pub(super) digest: [u8; 32],
    pub(super) lane: Option<Lane>,
    pub(super) tenant: Tenant,
    pub(super) limit: Option<(usize, Arc<Semaphore>)>,
    pub(super) roles: Arc<[Role]>,
}

/// Why keys cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// The file cannot be read.
    #[error("cannot read the API keys in {path}: {reason}")]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// The system's error.
        reason: std::io::Error,
    },
    /// The content is invalid. The message never shows a key.
    #[error("API keys in {place}: {reason}")]
    Invalid {
        /// The file or the environment variable.
        place: String,
        /// The error.
        reason: String,
    },
}
