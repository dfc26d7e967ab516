//! The doors: REST now, gRPC beside it later, one table of errors for both.

mod admission;
mod error;
mod page;
pub mod rest;
mod server;
mod state;

pub use error::ApiError;
pub use server::{ServeError, serve};
pub use state::AppState;
