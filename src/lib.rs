//! CLIP-IN: a server for image and text encoders that distinguish small differences.
//!
//! Data flows in one direction, and each step is a folder:
//!
//! ```text
//! request → api (→ images_by_url) → preprocess | tokenize → engine (queue → batch → session) → matching → api → response
//! ```

#![warn(missing_docs)]
// Code that input can reach must not panic.
#![cfg_attr(
    not(test),
    warn(clippy::unwrap_used, clippy::expect_used, clippy::panic)
)]
#![warn(clippy::await_holding_lock)]

#[macro_use]
pub(crate) mod terminal;

pub mod api;
pub(crate) mod audit;
pub(crate) mod bounded;
pub mod bundle;
pub(crate) mod byte_order_mark;
pub mod calls;
pub mod cli;
pub mod config;
pub mod database;
pub(crate) mod dataset;
pub mod deliveries;
pub mod engine;
pub mod error_code;
pub mod eval;
pub(crate) mod file_watch;
pub mod images_by_url;
pub mod import;
pub mod labelsets;
pub mod lines;
pub mod matching;
pub mod named;
pub mod preprocess;
pub(crate) mod quoted;
pub mod references;
pub mod reviews;
pub mod runtime;
pub mod server;
pub mod telemetry;
pub mod tokenize;
pub(crate) mod whole_file;

pub use clip_in_numerics::{inspection, monitors, promise};
