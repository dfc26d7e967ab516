//! The output's rows as Parquet columns, and writing a file of them.

use std::collections::HashMap;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Context;
use arrow_array::builder::{FixedSizeListBuilder, Float32Builder, StringBuilder};
use arrow_array::{ArrayRef, RecordBatch};
use arrow_schema::{DataType, Field, Schema};
use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_reader::{ParquetRecordBatchReader, ParquetRecordBatchReaderBuilder};
use parquet::basic::{Compression, ZstdLevel};
use parquet::file::metadata::KeyValue;
use parquet::file::properties::WriterProperties;
use parquet::file::reader::ChunkReader;

use super::content::Content;
use super::row::Row;
use crate::whole_file;

/// Bytes of embeddings per row group of the output, which are in memory while it is written.
const ROW_GROUP_BYTES: usize = 32 << 20;

/// Metadata key of the number of failed items.
pub const FAILED: &str = "clip_in_failed";
/// Metadata key of the digest of the rows.
pub const CONTENT: &str = "clip_in_content";

/// The properties that all files of an output share.
#[derive(Debug)]
pub struct Table {
    schema: Arc<Schema>,
    width: usize,
}

impl Table {
    /// For embeddings of `width` numbers; `made_by` becomes the files' key-value metadata.
    ///
    /// # Errors
    /// If the width is too large for Parquet.
    pub fn new(width: usize, made_by: HashMap<String, String>) -> anyhow::Result<Self> {
        let item = Arc::new(Field::new_list_field(DataType::Float32, false));
        let fields = vec![
            Field::new("id", DataType::Utf8, false),
            Field::new("kind", DataType::Utf8, false),
            Field::new("text", DataType::Utf8, true),
            Field::new(
                "embedding",
                DataType::FixedSizeList(item, i32::try_from(width)?),
                false,
            ),
        ];
        let schema = Arc::new(Schema::new_with_metadata(fields, made_by));
        Ok(Self { schema, width })
    }

    /// Whether a file was made from the same model and inputs, as far as its metadata tells.
    pub fn is_of(&self, found: &Schema) -> bool {
        let mut made_by = self.schema.metadata().iter();
        found.fields() == self.schema.fields()
            && made_by.all(|(key, value)| found.metadata().get(key) == Some(value))
    }

    /// Rows as Arrow columns.
    pub fn batch(&self, rows: &[Row]) -> anyhow::Result<RecordBatch> {
        let (mut ids, mut kinds, mut texts) = (
            StringBuilder::new(),
            StringBuilder::new(),
            StringBuilder::new(),
        );
        let item = Arc::new(Field::new_list_field(DataType::Float32, false));
        let mut embeddings =
            FixedSizeListBuilder::new(Float32Builder::new(), i32::try_from(self.width)?)
                .with_field(item);
        for row in rows {
            ids.append_value(&row.id);
            kinds.append_value(row.kind.name());
            texts.append_option(row.text.as_deref());
            embeddings.values().append_slice(&row.embedding);
            embeddings.append(true);
        }
        let columns: Vec<ArrayRef> = vec![
            Arc::new(ids.finish()),
            Arc::new(kinds.finish()),
            Arc::new(texts.finish()),
            Arc::new(embeddings.finish()),
        ];
        Ok(RecordBatch::try_new(self.schema.clone(), columns)?)
    }

    /// Replaces a file atomically, so that a file of this name is always complete. `failed` is the number of items that are
    /// not in it.
    pub fn write(
        &self,
        path: &Path,
        batches: impl Iterator<Item = anyhow::Result<RecordBatch>>,
        failed: usize,
    ) -> anyhow::Result<()> {
        let written = whole_file::replace(path, |file| self.write_to(file, batches, failed));
        written.with_context(|| format!("cannot write {}", path.display()))
    }

    fn write_to(
        &self,
        file: &File,
        batches: impl Iterator<Item = anyhow::Result<RecordBatch>>,
        failed: usize,
    ) -> anyhow::Result<()> {
        let pair = |key: &str, value: String| KeyValue::new(key.to_owned(), value);
        let made_by = self.schema.metadata().iter();
        // In addition to Arrow's own metadata, where other programs find it.
        let made_by = made_by.map(|(key, value)| pair(key, value.clone()));
        let properties = WriterProperties::builder()
            .set_compression(Compression::ZSTD(ZstdLevel::try_new(3)?))
            .set_max_row_group_row_count(Some(ROW_GROUP_BYTES.div_ceil(4 * self.width.max(1))))
            .set_key_value_metadata(Some(made_by.collect()))
            .build();
        let mut writer = ArrowWriter::try_new(file, self.schema.clone(), Some(properties))?;
        let mut content = Content::default();
        for batch in batches {
            let batch = batch?;
            content.add(&batch)?;
            writer.write(&batch)?;
        }
        writer.append_key_value_metadata(pair(FAILED, failed.to_string()));
        writer.append_key_value_metadata(pair(CONTENT, content.end()));
        writer.close()?;
        Ok(())
    }
}

/// Opens a Parquet file.
pub fn open(file: &Path) -> anyhow::Result<ParquetRecordBatchReaderBuilder<File>> {
    let opened = File::open(file).with_context(|| format!("cannot read {}", file.display()))?;
    builder(opened).with_context(|| format!("{} is not a Parquet file", file.display()))
}

/// Opens a Parquet file from an open handle.
pub fn builder<T: ChunkReader + 'static>(
    file: T,
) -> anyhow::Result<ParquetRecordBatchReaderBuilder<T>> {
    Ok(ParquetRecordBatchReaderBuilder::try_new(file)?)
}

/// Reads all rows of a file.
pub fn read(file: &Path) -> anyhow::Result<ParquetRecordBatchReader> {
    Ok(open(file)?.build()?)
}

/// A path with a suffix.
pub fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    PathBuf::from(name)
}
