//! The doors: REST and gRPC on one port, one set of calls behind them, one table of errors for both.

mod admin;
pub(crate) mod admission;
mod answer_body;
pub(crate) mod answer_size;
pub(crate) mod browsers;
pub(crate) mod contract;
pub(crate) mod grpc;
mod held;
mod keys;
mod page;
pub mod rest;
mod routes;
mod state;
pub(crate) mod trace;

pub use admin::{AdminAccess, AdminError};
pub use contract::ApiError;
pub use keys::{ApiKeys, Caller, KeyError};
pub use state::AppState;
