//! The output's rows as Parquet has them, and the writing of a file of them.

use std::collections::HashMap;
use std::fs::{self, File};
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

/// Bytes of embeddings in a row group of the output: what is in memory while it is written.
const ROW_GROUP_BYTES: usize = 32 << 20;

/// Key of the number of rows' items that could not be embedded.
pub const FAILED: &str = "clip_in_failed";
/// Key of the digest of the rows.
pub const CONTENT: &str = "clip_in_content";

/// What all files of an output have in common.
#[derive(Debug)]
pub struct Table {
    schema: Arc<Schema>,
    width: usize,
}

impl Table {
    /// With embeddings of `width` numbers; `made_by` becomes the files' key-value metadata.
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

    /// Whether a file was made by the same, as far as this knows.
    pub fn is_of(&self, found: &Schema) -> bool {
        let mut made_by = self.schema.metadata().iter();
        found.fields() == self.schema.fields()
            && made_by.all(|(key, value)| found.metadata().get(key) == Some(value))
    }

    /// Rows as Arrow has them.
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

    /// Writes beside the name, then renames: a file of that name is always whole. `failed` is the number of items that are not
    /// in it.
    pub fn write(
        &self,
        path: &Path,
        batches: impl Iterator<Item = anyhow::Result<RecordBatch>>,
        failed: usize,
    ) -> anyhow::Result<()> {
        let scratch = with_suffix(path, ".writing");
        let why = || format!("cannot write {}", path.display());
        let file = File::create(&scratch).with_context(why)?;
        let pair = |key: &str, value: String| KeyValue::new(key.to_owned(), value);
        let made_by = self.schema.metadata().iter();
        // Beside what Arrow writes of its own, where other programs find it.
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
            writer.write(&batch).with_context(why)?;
        }
        writer.append_key_value_metadata(pair(FAILED, failed.to_string()));
        writer.append_key_value_metadata(pair(CONTENT, content.end()));
        writer
            .into_inner()
            .with_context(why)?
            .sync_all()
            .with_context(why)?;
        fs::rename(&scratch, path).with_context(why)?;
        // The new name outlives a power failure too, where a folder can be synchronised.
        if let Some(folder) = path.parent().and_then(|folder| File::open(folder).ok()) {
            let _ = folder.sync_all();
        }
        Ok(())
    }
}

/// Opens a file of Parquet.
pub fn open(file: &Path) -> anyhow::Result<ParquetRecordBatchReaderBuilder<File>> {
    let opened = File::open(file).with_context(|| format!("cannot read {}", file.display()))?;
    builder(opened).with_context(|| format!("{} is not a Parquet file", file.display()))
}

/// The same of what is open already.
pub fn builder<T: ChunkReader + 'static>(
    file: T,
) -> anyhow::Result<ParquetRecordBatchReaderBuilder<T>> {
    Ok(ParquetRecordBatchReaderBuilder::try_new(file)?)
}

/// Reads all rows of a file.
pub fn read(file: &Path) -> anyhow::Result<ParquetRecordBatchReader> {
    Ok(open(file)?.build()?)
}

/// A name with more behind it.
pub fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    PathBuf::from(name)
}
