//! The interfaces: REST and gRPC on one port, with common calls and a common table of errors.

mod admin;
pub(crate) mod admission;
pub(crate) mod answer_size;
mod awaited;
pub(crate) mod browsers;
pub(crate) mod byte_share;
mod chunks;
mod collected;
pub(crate) mod contract;
mod error_answer;
mod frame;
pub mod grpc;
mod gzip_answer;
mod held;
mod json_answer;
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
pub use keys::{ApiKeys, Caller, KeyError, MayCalibrate, Role};
pub use state::AppState;
