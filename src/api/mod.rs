//! The doors: REST and gRPC on one port, one set of calls behind them, one table of errors for both.

mod admin;
mod admission;
mod answer_body;
mod answer_size;
mod browsers;
pub mod calls;
mod checked;
mod connections;
mod cors;
mod error;
mod file_watch;
mod grpc;
mod gzip_answer;
mod held;
mod keys;
mod page;
mod reload;
pub mod rest;
mod routes;
mod server;
mod state;
mod tls;
mod trace;
mod unpacked;
mod unread;
mod untaken;

pub use admin::{AdminAccess, AdminError};
pub use checked::{Checked, Refusal};
pub use error::ApiError;
pub use keys::{ApiKeys, Caller, KeyError};
pub use server::{ServeError, serve};
pub use state::AppState;
pub use tls::TlsError;
