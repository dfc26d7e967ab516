//! A digest of rows, which detects a file that was damaged later.

use anyhow::Context;
use arrow_array::{Array, FixedSizeListArray, Float32Array, RecordBatch, StringArray};
use sha2::{Digest, Sha256};

use crate::cli::embed::survey::hexadecimal;

/// The rows so far. Their division into batches does not matter.
#[derive(Debug, Default)]
pub struct Content {
    digest: Sha256,
    rows: u64,
}

impl Content {
    /// Adds the rows of a batch.
    ///
    /// # Errors
    /// If the batch does not have the columns of an output.
    pub fn add(&mut self, batch: &RecordBatch) -> anyhow::Result<()> {
        let strings = |place| column::<StringArray>(batch, place);
        let (ids, kinds, texts) = (strings(0)?, strings(1)?, strings(2)?);
        let embeddings = column::<FixedSizeListArray>(batch, 3)?;
        let width = usize::try_from(embeddings.value_length())?;
        let numbers = embeddings.values().as_any().downcast_ref::<Float32Array>();
        let numbers = numbers
            .context("the embeddings are not 32-bit numbers")?
            .values();
        let mut bytes = Vec::new();
        for row in 0..batch.num_rows() {
            bytes.clear();
            for column in [ids, kinds, texts] {
                let value = column.is_valid(row).then(|| column.value(row));
                bytes
                    .extend_from_slice(&value.map_or(u64::MAX, |it| it.len() as u64).to_le_bytes());
                bytes.extend_from_slice(value.unwrap_or_default().as_bytes());
            }
            let start = (embeddings.offset() + row) * width;
            let embedding = numbers
                .get(start..start + width)
                .context("an embedding is too short")?;
            bytes.extend(embedding.iter().flat_map(|number| number.to_le_bytes()));
            self.digest.update(&bytes);
            self.rows += 1;
        }
        Ok(())
    }

    /// Number of rows.
    pub fn rows(&self) -> u64 {
        self.rows
    }

    /// The digest in hexadecimal.
    pub fn end(self) -> String {
        hexadecimal(self.digest)
    }
}

fn column<T: 'static>(batch: &RecordBatch, place: usize) -> anyhow::Result<&T> {
    let column = batch.columns().get(place);
    column
        .and_then(|column| column.as_any().downcast_ref())
        .context("the columns are not those of clip-in embed")
}
