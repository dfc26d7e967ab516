//! The interfaces: REST and gRPC on one port, with one set of calls and one table of errors behind them.

mod admin;
pub(crate) mod admission;
pub(crate) mod answer_size;
mod awaited;
pub(crate) mod browsers;
pub(crate) mod contract;
mod frame;
pub mod grpc;
mod gzip_answer;
mod held;
mod keys;
mod lease;
mod page;
pub mod rest;
mod routes;
mod state;
pub(crate) mod trace;
mod unpacked;
mod unpacking;

pub use admin::{AdminAccess, AdminError};
pub use contract::ApiError;
pub use keys::{ApiKeys, Caller, KeyError};
pub use state::AppState;
