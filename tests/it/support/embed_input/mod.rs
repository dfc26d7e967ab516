//! Inputs of `clip-in embed` in common forms.

#![allow(dead_code)] // Each test file uses a part.

use std::fs::File;
use std::path::Path;
use std::sync::Arc;

use arrow_array::{ArrayRef, BinaryArray, RecordBatch, StringArray, StructArray};
use arrow_schema::{DataType, Field, Fields};
use parquet::arrow::ArrowWriter;
use parquet::basic::Compression;
use parquet::file::properties::WriterProperties;

/// As most programs write it: with Snappy, and here in row groups of a few rows.
pub fn write_parquet(path: &Path, columns: Vec<(&str, ArrayRef)>, rows_in_a_group: usize) {
    write_parquet_as(path, columns, rows_in_a_group, Compression::SNAPPY);
}

pub fn write_parquet_as(
    path: &Path,
    columns: Vec<(&str, ArrayRef)>,
    rows_in_a_group: usize,
    compression: Compression,
) {
    let batch = RecordBatch::try_from_iter_with_nullable(
        columns.into_iter().map(|(name, array)| (name, array, true)),
    )
    .unwrap();
    let properties = WriterProperties::builder()
        .set_compression(compression)
        .set_max_row_group_row_count(Some(rows_in_a_group))
        .build();
    let file = File::create(path).unwrap();
    let mut writer = ArrowWriter::try_new(file, batch.schema(), Some(properties)).unwrap();
    writer.write(&batch).unwrap();
    writer.close().unwrap();
}

pub fn strings(values: &[Option<&str>]) -> ArrayRef {
    Arc::new(StringArray::from(values.to_vec()))
}

pub fn blobs(values: &[Option<&[u8]>]) -> ArrayRef {
    Arc::new(BinaryArray::from(values.to_vec()))
}

/// A tar of these members.
pub fn write_tar(path: &Path, members: &[(&str, &[u8])]) {
    let mut builder = tar::Builder::new(File::create(path).unwrap());
    for (name, content) in members {
        let mut header = tar::Header::new_gnu();
        header.set_size(content.len() as u64);
        header.set_mode(0o644);
        builder.append_data(&mut header, name, *content).unwrap();
    }
    builder.finish().unwrap();
}

/// Hugging Face's column of images: a struct of bytes and path.
pub fn images(bytes: &[Option<&[u8]>], paths: &[Option<&str>]) -> ArrayRef {
    let fields = Fields::from(vec![
        Field::new("bytes", DataType::Binary, true),
        Field::new("path", DataType::Utf8, true),
    ]);
    let columns = vec![blobs(bytes), strings(paths)];
    Arc::new(StructArray::new(fields, columns, None))
}
