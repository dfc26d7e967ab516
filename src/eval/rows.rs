//! Parquet tables of a benchmark: small columns are read first, images later and one after another.
//!
//! If the small columns of a row group cannot be read, that is one fault and its rows are broken; later row groups are still
//! read.

use std::fs::File;
use std::path::Path;

use anyhow::{Context, bail};
use arrow_array::ArrayRef;
use bytes::Bytes;
use parquet::arrow::arrow_reader::{
    ArrowReaderMetadata, ParquetRecordBatchReader, ParquetRecordBatchReaderBuilder,
};

use super::broken::Broken;
use super::left_out;
use crate::dataset::files::{self, Input};
use crate::dataset::parquet::{
    Column, ENDINGS, Holds, bytes, metadata, optional, projection, required, whole_number,
};
use crate::dataset::pipeline::Closed;

/// Number of rows in memory at a time if they have images.
const IMAGES_AT_A_TIME: usize = 16;
/// Number of rows in memory at a time if they have texts only.
const TEXTS_AT_A_TIME: usize = 1024;

/// Parquet files with the same columns. The index of a row counts over all files.
pub struct Table {
    files: Vec<TableFile>,
    rows: usize,
    /// Files that could not be opened.
    pub faults: Vec<Broken>,
}

struct TableFile {
    input: Input,
    metadata: ArrowReaderMetadata,
    first_row: usize,
}

impl Table {
    /// Opens a file, or all .parquet files of a folder sorted by name.
    ///
    /// # Errors
    /// If there is none, or if none can be read.
    pub fn open(path: &Path) -> anyhow::Result<Self> {
        let (mut files, mut faults, mut rows) = (Vec::new(), Vec::new(), 0);
        let listing = files::find(&[path.to_owned()], &ENDINGS)?;
        left_out::note(path, listing.others.iter().map(|it| it.name.as_str()));
        for unreadable in listing.unreadable {
            faults.push(Broken::new(unreadable.name, unreadable.reason));
        }
        for input in listing.files {
            match metadata(&input.path) {
                Ok(metadata) => {
                    let count = metadata.metadata().file_metadata().num_rows();
                    files.push(TableFile {
                        input,
                        metadata,
                        first_row: rows,
                    });
                    rows += usize::try_from(count).unwrap_or(0);
                }
                Err(error) => {
                    let reason = format!("is not a complete Parquet file: {error:#}");
                    faults.push(Broken::new(input.name, reason));
                }
            }
        }
        match faults.first() {
            Some(fault) if files.is_empty() => {
                bail!("{} {}", path.display(), fault.reason)
            }
            _ => Ok(Self {
                files,
                rows,
                faults,
            }),
        }
    }

    /// Leaves out the files that lack all of some columns that other files have, because they contain other data. Returns
    /// their names.
    pub fn leave_out_without(&mut self, names: &[&str]) -> Vec<String> {
        let has = |file: &TableFile| {
            let schema = file.metadata.schema();
            names
                .iter()
                .any(|name| schema.column_with_name(name).is_some())
        };
        if !self.files.iter().any(has) {
            return Vec::new();
        }
        let (kept, others): (Vec<_>, Vec<_>) = self.files.drain(..).partition(has);
        self.files = kept;
        self.rows = 0;
        for file in &mut self.files {
            file.first_row = self.rows;
            let count = file.metadata.metadata().file_metadata().num_rows();
            self.rows += usize::try_from(count).unwrap_or(0);
        }
        others.into_iter().map(|file| file.input.name).collect()
    }

    /// Number of rows.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// Checks that every file has a column.
    ///
    /// # Errors
    /// If a column is missing; the message names the file, the column and the existing columns.
    pub fn require(&self, name: &str, holds: Holds) -> anyhow::Result<()> {
        for file in &self.files {
            required(file.metadata.parquet_schema(), name, holds)
                .with_context(|| format!("in {}", file.input.path.display()))?;
        }
        Ok(())
    }

    /// Whether every file has a column.
    pub fn has(&self, name: &str, holds: Holds) -> bool {
        let has = |file: &TableFile| optional(file.metadata.parquet_schema(), name, holds);
        self.files.iter().all(|file| has(file).is_some())
    }

    /// Reads strings or integers of columns, row by row: `each` gets the row's index, its name for messages, and one cell
    /// per column; None for an empty cell or one that is not UTF-8. Unreadable parts are reported.
    pub fn cells(
        &self,
        names: &[&str],
        mut each: impl FnMut(usize, String, Vec<Option<String>>),
    ) -> Vec<Broken> {
        let mut faults = Vec::new();
        let cell = |array: Option<&ArrayRef>, i| {
            let array = array?;
            let text = || String::from_utf8(bytes(array, i)?.to_vec()).ok();
            whole_number(array, i).or_else(text)
        };
        for file in &self.files {
            file.read(
                names,
                Holds::Ids,
                TEXTS_AT_A_TIME,
                &mut |found| match found {
                    Ok((row, arrays, i)) => {
                        let cells = arrays.iter().map(|array| cell(array.as_ref(), i));
                        each(file.first_row + row, file.place(row), cells.collect());
                        Ok(())
                    }
                    Err(fault) => {
                        faults.push(fault);
                        Ok(())
                    }
                },
            )
            .unwrap_or(());
        }
        faults
    }

    /// Reads images of columns, row by row: row, index of the column in `names`, its name for messages, bytes if there are
    /// any.
    ///
    /// # Errors
    /// [`Closed`] if the receiver wants no more.
    pub fn images(
        &self,
        names: &[&str],
        take: &mut dyn FnMut(Result<Picture, Broken>) -> Result<(), Closed>,
    ) -> Result<(), Closed> {
        for file in &self.files {
            file.read(names, Holds::Images, IMAGES_AT_A_TIME, &mut |found| {
                let (row, arrays, i) = match found {
                    Ok(found) => found,
                    Err(fault) => return take(Err(fault)),
                };
                for (column, (array, name)) in arrays.iter().zip(names).enumerate() {
                    let bytes = array.as_ref().and_then(|array| bytes(array, i));
                    take(Ok(Picture {
                        row: file.first_row + row,
                        column,
                        place: format!("{} {name}", file.place(row)),
                        bytes: bytes.map(Bytes::copy_from_slice),
                    }))?;
                }
                Ok(())
            })?;
        }
        Ok(())
    }
}

/// One image of a row.
pub struct Picture {
    pub row: usize,
    pub column: usize,
    pub place: String,
    pub bytes: Option<Bytes>,
}

type Row = (usize, Vec<Option<ArrayRef>>, usize);

impl TableFile {
    /// A row by its index in the file, from 0.
    fn place(&self, row: usize) -> String {
        format!("{}:{row}", self.input.name)
    }

    fn read(
        &self,
        names: &[&str],
        holds: Holds,
        at_a_time: usize,
        each: &mut dyn FnMut(Result<Row, Broken>) -> Result<(), Closed>,
    ) -> Result<(), Closed> {
        let schema = self.metadata.parquet_schema();
        let columns: Vec<Option<Column>> = names
            .iter()
            .map(|name| optional(schema, name, holds))
            .collect();
        let mut first = 0;
        for group in 0..self.metadata.metadata().num_row_groups() {
            let rows = self.metadata.metadata().row_group(group).num_rows();
            let rows = usize::try_from(rows).unwrap_or(0);
            let mut row = first;
            first += rows;
            let fault = |row: usize, error: anyhow::Error| {
                let reason = format!("row group {group} cannot be read from here on: {error:#}");
                Broken::new(self.place(row), reason)
            };
            let reader = match self.reader(group, &columns, at_a_time) {
                Ok(reader) => reader,
                Err(error) => {
                    each(Err(fault(row, error)))?;
                    continue;
                }
            };
            for batch in reader {
                let batch = match batch {
                    Ok(batch) => batch,
                    Err(error) => {
                        each(Err(fault(row, error.into())))?;
                        break;
                    }
                };
                let arrays: Vec<_> = columns
                    .iter()
                    .map(|column| column.as_ref().and_then(|column| column.of(&batch)))
                    .collect();
                for i in 0..batch.num_rows() {
                    each(Ok((row, arrays.clone(), i)))?;
                    row += 1;
                }
            }
        }
        Ok(())
    }

    fn reader(
        &self,
        group: usize,
        columns: &[Option<Column>],
        at_a_time: usize,
    ) -> anyhow::Result<ParquetRecordBatchReader> {
        let file = File::open(&self.input.path)?;
        let mask = projection(self.metadata.parquet_schema(), columns);
        let builder =
            ParquetRecordBatchReaderBuilder::new_with_metadata(file, self.metadata.clone());
        Ok(builder
            .with_row_groups(vec![group])
            .with_projection(mask)
            .with_batch_size(at_a_time)
            .build()?)
    }
}
