//! Data sets of images and texts: finding, opening and reading files, for `embed`, `audit` and `eval`.
//!
//! ```text
//! names on the command line → store (local files, S3 objects) → files below folders
//!   → Parquet columns | members of a tar | lines → pipeline (reader thread → bound on memory → work → results in order)
//! ```
//!
//! This module does not know tasks or outputs: its users decide what an item means.

pub mod files;
pub mod image_files;
pub mod left_out;
pub mod lines;
pub mod parquet;
pub mod pipeline;
pub mod store;
pub mod tar_file;
pub mod tar_members;
pub mod walk;
