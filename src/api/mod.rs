//! The doors: REST now, gRPC beside it later, one table of errors for both.

mod admin;
mod admission;
mod error;
mod page;
pub mod rest;
mod server;
mod state;

pub use admin::{AdminAccess, AdminError};
pub use error::ApiError;
pub use server::{ServeError, serve};
pub use state::AppState;
