//! CLIP-IN: image and text encoders that see small differences, served.
//!
//! Data goes one way, and each step is a folder:
//!
//! ```text
//! request → api → preprocess | tokenize → engine (queue → batch → session) → matching → api → response
//! ```

pub mod api;
pub mod bundle;
pub mod cli;
pub mod config;
pub mod engine;
pub mod matching;
pub mod preprocess;
pub mod runtime;
pub mod telemetry;
pub mod tokenize;
