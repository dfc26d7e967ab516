//! The Parquet file, written in parts so that a killed process loses little.
//!
//! While work is going on, rows are in `OUT.parts/part-N.parquet`, each written beside its name and renamed. At the end the
//! old output and the parts are merged into one file, which replaces the old one by a rename. So at any time there is a
//! whole output, old or new, and a row is in it or in a part.

use std::collections::HashMap;
use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, bail};
use arrow_array::builder::{FixedSizeListBuilder, Float32Builder, StringBuilder};
use arrow_array::{Array, ArrayRef, RecordBatch, StringArray};
use arrow_schema::{DataType, Field, Schema};
use parquet::arrow::arrow_reader::{ParquetRecordBatchReader, ParquetRecordBatchReaderBuilder};
use parquet::arrow::{ArrowWriter, ProjectionMask};
use parquet::basic::{Compression, ZstdLevel};
use parquet::file::properties::WriterProperties;
use serde_json::json;

use super::item::Kind;
use super::met::Met;
use crate::engine::Embedding;

/// An embedded item.
pub struct Row {
    pub id: String,
    pub kind: Kind,
    /// Of a text.
    pub text: Option<String>,
    pub embedding: Embedding,
}

/// Bytes of embeddings in a row group of the output: what is in memory while it is written.
const ROW_GROUP_BYTES: usize = 32 << 20;

/// The file being written.
pub struct Output {
    path: PathBuf,
    parts: PathBuf,
    next_part: usize,
    schema: Arc<Schema>,
    width: usize,
    rows: usize,
}

/// Where items that could not be embedded are listed.
pub fn errors_path(out: &Path) -> PathBuf {
    with_suffix(out, ".errors.jsonl")
}

fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    PathBuf::from(name)
}

impl Output {
    /// Opens the output and reads which items are there from an earlier run.
    ///
    /// # Errors
    /// If the earlier run used another model or precision: their embeddings must not be mixed.
    pub fn open(
        path: &Path,
        model: &str,
        precision: &str,
        width: usize,
    ) -> anyhow::Result<(Self, Met)> {
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
        let metadata = HashMap::from([
            ("clip_in_model".to_owned(), model.to_owned()),
            ("clip_in_precision".to_owned(), precision.to_owned()),
        ]);
        let schema = Arc::new(Schema::new_with_metadata(fields, metadata));
        let parts = with_suffix(path, ".parts");
        fs::create_dir_all(&parts).with_context(|| format!("cannot create {}", parts.display()))?;
        let mut this = Self {
            path: path.to_owned(),
            parts,
            next_part: 0,
            schema,
            width,
            rows: 0,
        };
        let mut met = Met::default();
        for file in this.files()? {
            this.remember(&file, &mut met)?;
        }
        this.rows = met.len();
        // Items that failed are tried again, and listed again if they fail again.
        let errors = errors_path(path);
        if errors.exists() {
            fs::remove_file(&errors)
                .with_context(|| format!("cannot replace {}", errors.display()))?;
        }
        Ok((this, met))
    }

    /// How many embeddings it has.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// Writes rows as a new part and empties them.
    pub fn write(&mut self, rows: &mut Vec<Row>) -> anyhow::Result<()> {
        if rows.is_empty() {
            return Ok(());
        }
        let batch = self.batch(rows)?;
        let name = format!("part-{:06}.parquet", self.next_part);
        self.write_file(&self.parts.join(name), std::iter::once(Ok(batch)))?;
        self.next_part += 1;
        self.rows += rows.len();
        rows.clear();
        Ok(())
    }

    /// Lists an item that could not be embedded.
    pub fn report(&self, id: &str, kind: &str, reason: &str) -> anyhow::Result<()> {
        let path = errors_path(&self.path);
        let mut file = OpenOptions::new()
            .create(true)
            .append(true)
            .open(&path)
            .with_context(|| format!("cannot write {}", path.display()))?;
        writeln!(file, "{}", json!({"id": id, "kind": kind, "error": reason}))?;
        Ok(())
    }

    /// Merges everything into the output; gives its number of rows.
    pub fn finish(self) -> anyhow::Result<usize> {
        let files = self.files()?;
        let batches = files.iter().flat_map(|file| match read(file) {
            Ok(reader) => Box::new(reader.map(|batch| Ok(batch?))) as Batches,
            Err(error) => Box::new(std::iter::once(Err(error))),
        });
        self.write_file(&self.path, batches)?;
        fs::remove_dir_all(&self.parts)
            .with_context(|| format!("cannot remove {}", self.parts.display()))?;
        Ok(self.rows)
    }

    /// The output and its parts, as far as they exist, oldest first.
    fn files(&self) -> anyhow::Result<Vec<PathBuf>> {
        let mut parts: Vec<PathBuf> = fs::read_dir(&self.parts)?
            .map(|entry| entry.map(|entry| entry.path()))
            .collect::<Result<_, _>>()?;
        parts.retain(|path| {
            path.extension()
                .is_some_and(|extension| extension == "parquet")
        });
        parts.sort();
        let output = self.path.is_file().then(|| self.path.clone());
        Ok(output.into_iter().chain(parts).collect())
    }

    fn remember(&mut self, file: &Path, met: &mut Met) -> anyhow::Result<()> {
        // The builder's schema: the reader's own has lost its metadata.
        let builder = open(file)?;
        let found = builder.schema().clone();
        let differs = |key| found.metadata().get(key) != self.schema.metadata().get(key);
        if differs("clip_in_model")
            || differs("clip_in_precision")
            || found.fields() != self.schema.fields()
        {
            bail!(
                "{} was written with another model or precision; name another --out, or remove it",
                file.display()
            );
        }
        let is_part = file.starts_with(&self.parts);
        let number = file
            .file_stem()
            .and_then(|stem| stem.to_str())
            .and_then(|stem| stem.strip_prefix("part-"));
        let part_number = number
            .filter(|_| is_part)
            .and_then(|number| number.parse::<usize>().ok());
        self.next_part = self
            .next_part
            .max(part_number.map_or(0, |number| number + 1));
        let mut new = 0;
        // Embeddings are most of the file, and of no interest here.
        let keys = ProjectionMask::columns(builder.parquet_schema(), ["id", "kind"]);
        for batch in builder.with_projection(keys).build()? {
            let batch = batch?;
            let (Some(ids), Some(kinds)) = (strings(&batch, 0), strings(&batch, 1)) else {
                bail!("{} is not an output of clip-in embed", file.display());
            };
            for (id, kind) in ids.iter().flatten().zip(kinds.iter().flatten()) {
                let kind = Kind::of(kind)
                    .with_context(|| format!("{} has the kind {kind}", file.display()))?;
                new += usize::from(met.note_done(kind, id));
            }
        }
        if new == 0 && part_number.is_some() {
            // Merged already: the process was killed between the merge and the removal of the parts.
            fs::remove_file(file).with_context(|| format!("cannot remove {}", file.display()))?;
        }
        Ok(())
    }

    fn batch(&self, rows: &[Row]) -> anyhow::Result<RecordBatch> {
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

    /// Writes beside the name, then renames: a file of that name is always whole.
    fn write_file(
        &self,
        path: &Path,
        batches: impl Iterator<Item = anyhow::Result<RecordBatch>>,
    ) -> anyhow::Result<()> {
        let scratch = with_suffix(path, ".writing");
        let failed = || format!("cannot write {}", path.display());
        let file = File::create(&scratch).with_context(failed)?;
        let properties = WriterProperties::builder()
            .set_compression(Compression::ZSTD(ZstdLevel::try_new(3)?))
            .set_max_row_group_row_count(Some(ROW_GROUP_BYTES.div_ceil(4 * self.width.max(1))))
            .build();
        let mut writer = ArrowWriter::try_new(file, self.schema.clone(), Some(properties))?;
        for batch in batches {
            writer.write(&batch?).with_context(failed)?;
        }
        writer
            .into_inner()
            .with_context(failed)?
            .sync_all()
            .with_context(failed)?;
        fs::rename(&scratch, path).with_context(failed)
    }
}

type Batches = Box<dyn Iterator<Item = anyhow::Result<RecordBatch>>>;

fn open(file: &Path) -> anyhow::Result<ParquetRecordBatchReaderBuilder<File>> {
    let opened = File::open(file).with_context(|| format!("cannot read {}", file.display()))?;
    ParquetRecordBatchReaderBuilder::try_new(opened)
        .with_context(|| format!("{} is not a Parquet file", file.display()))
}

fn read(file: &Path) -> anyhow::Result<ParquetRecordBatchReader> {
    Ok(open(file)?.build()?)
}

fn strings(batch: &RecordBatch, column: usize) -> Option<&StringArray> {
    batch.columns().get(column)?.as_any().downcast_ref()
}
