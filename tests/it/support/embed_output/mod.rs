//! Reads the output of `clip-in embed`.

#![allow(dead_code)] // Each test file uses a part.

use std::fs::{self, File};
use std::path::Path;

use arrow_array::{Array, FixedSizeListArray, Float32Array, StringArray};
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use serde_json::Value;

/// Columns id, kind, embedding of an output file.
pub fn rows(path: &Path) -> Vec<(String, String, Vec<f32>)> {
    let reader = ParquetRecordBatchReaderBuilder::try_new(File::open(path).unwrap())
        .unwrap()
        .build()
        .unwrap();
    let mut rows = Vec::new();
    for batch in reader {
        let batch = batch.unwrap();
        let column = |name: &str| batch.column_by_name(name).unwrap();
        let strings = |name: &str| {
            column(name)
                .as_any()
                .downcast_ref::<StringArray>()
                .unwrap()
                .clone()
        };
        let (ids, kinds) = (strings("id"), strings("kind"));
        let vectors = column("embedding")
            .as_any()
            .downcast_ref::<FixedSizeListArray>()
            .unwrap();
        for i in 0..batch.num_rows() {
            let vector = vectors.value(i);
            let vector = vector
                .as_any()
                .downcast_ref::<Float32Array>()
                .unwrap()
                .values()
                .to_vec();
            rows.push((ids.value(i).to_owned(), kinds.value(i).to_owned(), vector));
        }
    }
    rows
}

/// The column text of an output file.
pub fn texts(path: &Path) -> Vec<Option<String>> {
    let reader = ParquetRecordBatchReaderBuilder::try_new(File::open(path).unwrap())
        .unwrap()
        .build()
        .unwrap();
    let batches = reader.map(Result::unwrap);
    let column = |batch: arrow_array::RecordBatch| {
        let texts = batch.column_by_name("text").unwrap().clone();
        let texts = texts.as_any().downcast_ref::<StringArray>().unwrap();
        texts
            .iter()
            .map(|text| text.map(str::to_owned))
            .collect::<Vec<_>>()
    };
    batches.flat_map(column).collect()
}

/// Rows as `kind:id`, in order.
pub fn keys(path: &Path) -> Vec<String> {
    rows(path)
        .iter()
        .map(|(id, kind, _)| format!("{kind}:{id}"))
        .collect()
}

/// The items listed as not embedded: kind, id, reason.
pub fn errors(out: &Path) -> Vec<(String, String, String)> {
    let path = format!("{}.errors.jsonl", out.display());
    let content = fs::read_to_string(path).unwrap_or_default();
    let field = |line: &Value, name: &str| line[name].as_str().unwrap().to_owned();
    content
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap())
        .map(|line| {
            (
                field(&line, "kind"),
                field(&line, "id"),
                field(&line, "error"),
            )
        })
        .collect()
}
