//! The reasons why the server does not run.

use super::tls::TlsError;
use crate::api::{AdminError, KeyError};
use crate::database::DatabaseError;
use crate::deliveries::SinkError;
use crate::engine::RegistryError;
use crate::lines::LineError;
use crate::named::StoreError;

/// The reason why the server does not run.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// Invalid settings.
    #[error("{0}")]
    Settings(String),
    /// A model cannot be served.
    #[error(transparent)]
    Models(#[from] RegistryError),
    /// The settings of the admin routes are invalid.
    #[error(transparent)]
    Admin(#[from] AdminError),
    /// The API keys cannot be used.
    #[error(transparent)]
    Keys(#[from] KeyError),
    /// The store of the lines cannot be opened.
    #[error("lines: {0}")]
    Lines(#[from] LineError),
    /// The database that several servers share cannot be used.
    #[error(transparent)]
    Database(#[from] DatabaseError),
    /// Label sets or references cannot be read.
    #[error(transparent)]
    Named(#[from] StoreError),
    /// The sinks cannot be used.
    #[error(transparent)]
    Sinks(#[from] SinkError),
    /// The certificate cannot be used.
    #[error("TLS: {0}")]
    Tls(#[from] TlsError),
    /// The address is not available.
    #[error("cannot listen on {address}: {reason}")]
    Listen {
        /// Address and port.
        address: std::net::SocketAddr,
        /// The system's error.
        reason: std::io::Error,
    },
    /// Another error of the system.
    #[error(transparent)]
    Io(#[from] std::io::Error),
    /// Two metrics have the same name.
    #[error(transparent)]
    Metrics(#[from] prometheus::Error),
    /// Accepted requests were still open at the end of the time for a stop.
    #[error("stopped after {0} s with requests still unanswered")]
    DrainTimeout(u64),
}
