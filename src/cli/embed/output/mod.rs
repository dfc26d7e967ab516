//! The Parquet file, written in parts so that a killed process loses little work.
//!
//! During the work, rows are in `OUT.parts/part-N.parquet`. Each part is written to a temporary file and renamed. At the end
//! the old output and the parts are merged into one file, which replaces the old one with a rename. So there is a complete
//! output at any time, old or new, and each row is in it or in a part.

mod content;
pub mod finished;
mod row;
mod table;

use std::collections::HashMap;
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use arrow_array::{Array, RecordBatch, StringArray};
use parquet::arrow::ProjectionMask;
use serde_json::json;

use self::table::{Table, open, read, with_suffix};
use super::item::Kind;
use super::seen::SeenItems;
pub use row::Row;

/// How to treat the work of an earlier run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Earlier {
    /// The output and its parts stay, and missing rows are added. Rows of another model are an error.
    Kept,
    /// Parts from the same inputs and model stay. The output is ignored, and other parts are removed.
    PartsIfSame,
}

/// The file being written.
pub struct Output {
    path: PathBuf,
    parts: PathBuf,
    earlier: Earlier,
    next_part: usize,
    table: Table,
    rows: usize,
    /// While it is open, no other process writes to this output.
    _lock: File,
}

/// The list of items that could not be embedded.
pub fn errors_path(out: &Path) -> PathBuf {
    with_suffix(out, ".errors.jsonl")
}

impl Output {
    /// Opens the output and reads the items of earlier runs. `made_by` is everything that determines the embeddings, for the
    /// files' key-value metadata.
    ///
    /// # Errors
    /// If the earlier run used another model or precision, because their embeddings must not be mixed; or if another process
    /// is writing it.
    pub fn open(
        path: &Path,
        made_by: HashMap<String, String>,
        width: usize,
        earlier: Earlier,
    ) -> anyhow::Result<(Self, SeenItems)> {
        let parts = with_suffix(path, ".parts");
        fs::create_dir_all(&parts).with_context(|| format!("cannot create {}", parts.display()))?;
        let mut this = Self {
            path: path.to_owned(),
            earlier,
            next_part: 0,
            table: Table::new(width, made_by)?,
            rows: 0,
            _lock: lock(&parts.join("lock"), path)?,
            parts,
        };
        let mut seen = SeenItems::default();
        for file in this.files()? {
            match this.remember(&file, &mut seen) {
                Err(_) if earlier == Earlier::PartsIfSame => remove(&file)?,
                result => result?,
            }
        }
        this.rows = seen.len();
        // Items that failed are tried again, and listed again if they fail again.
        let errors = errors_path(path);
        if errors.exists() {
            fs::remove_file(&errors)
                .with_context(|| format!("cannot replace {}", errors.display()))?;
        }
        Ok((this, seen))
    }

    /// Number of its embeddings.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// Writes the rows as a new part and clears them.
    pub fn write(&mut self, rows: &mut Vec<Row>) -> anyhow::Result<()> {
        if rows.is_empty() {
            return Ok(());
        }
        let batch = self.table.batch(rows)?;
        let name = format!("part-{:06}.parquet", self.next_part);
        let path = self.parts.join(name);
        self.table.write(&path, std::iter::once(Ok(batch)), 0)?;
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

    /// Merges everything into the output; returns its number of rows. `failed` is the number of items that are not in it.
    pub fn finish(self, failed: usize) -> anyhow::Result<usize> {
        let files = self.files()?;
        let batches = files.iter().flat_map(|file| match read(file) {
            Ok(reader) => Box::new(reader.map(|batch| Ok(batch?))) as Batches,
            Err(error) => Box::new(std::iter::once(Err(error))),
        });
        self.table.write(&self.path, batches, failed)?;
        fs::remove_dir_all(&self.parts)
            .with_context(|| format!("cannot remove {}", self.parts.display()))?;
        Ok(self.rows)
    }

    /// The output, if it is used, and the existing parts, oldest first.
    fn files(&self) -> anyhow::Result<Vec<PathBuf>> {
        let mut parts: Vec<PathBuf> = fs::read_dir(&self.parts)?
            .map(|entry| entry.map(|entry| entry.path()))
            .collect::<Result<_, _>>()?;
        parts.retain(|path| {
            path.extension()
                .is_some_and(|extension| extension == "parquet")
        });
        parts.sort();
        let output = self.earlier == Earlier::Kept && self.path.is_file();
        let output = output.then(|| self.path.clone());
        Ok(output.into_iter().chain(parts).collect())
    }

    fn remember(&mut self, file: &Path, seen: &mut SeenItems) -> anyhow::Result<()> {
        // The builder's schema: the reader's own schema has lost its metadata.
        let builder = open(file)?;
        if !self.table.is_of(builder.schema()) {
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
        // Embeddings are most of the file and are not needed here.
        let keys = ProjectionMask::columns(builder.parquet_schema(), ["id", "kind"]);
        for batch in builder.with_projection(keys).build()? {
            let batch = batch?;
            let (Some(ids), Some(kinds)) = (strings(&batch, 0), strings(&batch, 1)) else {
                bail!("{} is not an output of clip-in embed", file.display());
            };
            for (id, kind) in ids.iter().flatten().zip(kinds.iter().flatten()) {
                let kind = Kind::of(kind)
                    .with_context(|| format!("{} has the kind {kind}", file.display()))?;
                new += usize::from(seen.note_done(kind, id));
            }
        }
        if new == 0 && part_number.is_some() {
            // Merged already: the process was killed after the merge and before the removal of the parts.
            remove(file)?;
        }
        Ok(())
    }
}

type Batches = Box<dyn Iterator<Item = anyhow::Result<RecordBatch>>>;

/// Takes a lock that ends with the process, whatever the reason.
fn lock(path: &Path, out: &Path) -> anyhow::Result<File> {
    let failed = || format!("cannot write {}", path.display());
    let file = File::create(path).with_context(failed)?;
    match file.try_lock() {
        Err(TryLockError::WouldBlock) => bail!(
            "another process is writing {}; wait until it ends, or name another --out",
            out.display()
        ),
        // Some network file systems have no locks.
        Ok(()) | Err(TryLockError::Error(_)) => Ok(file),
    }
}

fn remove(file: &Path) -> anyhow::Result<()> {
    fs::remove_file(file).with_context(|| format!("cannot remove {}", file.display()))
}

fn strings(batch: &RecordBatch, column: usize) -> Option<&StringArray> {
    batch.columns().get(column)?.as_any().downcast_ref()
}
