//! Files with many images and texts: how they are found, opened and read, for `embed`, `audit` and `eval`.
//!
//! ```text
//! names on the command line → store (this machine's files, objects of S3) → files below folders
//!   → Parquet columns | members of a tar | lines → pipeline (reader thread → bound on memory → work → results in order)
//! ```
//!
//! This room knows no model's task and no output: what an item means is decided by those who read it.

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
