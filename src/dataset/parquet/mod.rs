//! Parquet files: their metadata, columns and cells.

mod cells;
mod columns;

use std::fs::File;
use std::path::Path;

use parquet::arrow::arrow_reader::{ArrowReaderMetadata, ArrowReaderOptions};
use parquet::file::reader::ChunkReader;

pub use self::cells::{bytes, whole_number};
pub use self::columns::{Column, Holds, listed, optional, projection, required};

/// Endings of Parquet files.
pub const ENDINGS: [&str; 1] = ["parquet"];

/// The metadata of a file.
///
/// # Errors
/// If it cannot be read or is not a complete Parquet file.
pub fn metadata(path: &Path) -> anyhow::Result<ArrowReaderMetadata> {
    metadata_of(&File::open(path)?)
}

/// The metadata of an open file or object. Types are those of Parquet; Arrow's conversions at writing (views, dictionaries)
/// do not matter.
///
/// # Errors
/// As [`metadata`].
pub fn metadata_of(file: &impl ChunkReader) -> anyhow::Result<ArrowReaderMetadata> {
    let options = ArrowReaderOptions::new().with_skip_arrow_metadata(true);
    Ok(ArrowReaderMetadata::load(file, options)?)
}
