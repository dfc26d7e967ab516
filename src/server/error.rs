//! Why the server does not run.

use super::tls::TlsError;
use crate::api::{AdminError, KeyError};
use crate::engine::RegistryError;

/// Why the server does not run.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// Settings that cannot be used together.
    #[error("{0}")]
    Settings(String),
    /// A model cannot be served.
    #[error(transparent)]
    Models(#[from] RegistryError),
    /// The admin routes cannot be offered as the settings ask.
    #[error(transparent)]
    Admin(#[from] AdminError),
    /// The API keys cannot be used.
    #[error(transparent)]
    Keys(#[from] KeyError),
    /// The certificate cannot be used.
    #[error("TLS: {0}")]
    Tls(#[from] TlsError),
    /// The address cannot be used.
    #[error("cannot listen on {address}: {reason}")]
    Listen {
        /// Address and port.
        address: std::net::SocketAddr,
        /// The system's error.
        reason: std::io::Error,
    },
    /// The system refused something else.
    #[error(transparent)]
    Io(#[from] std::io::Error),
    /// Two metrics with one name.
    #[error(transparent)]
    Metrics(#[from] prometheus::Error),
    /// Accepted requests were still open when the time for a stop was over.
    #[error("stopped after {0} s with requests still unanswered")]
    DrainTimeout(u64),
}
