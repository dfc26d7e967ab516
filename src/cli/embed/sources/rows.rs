//! Rows of Parquet files: an image, a text, or one of each.
//!
//! A row group is read in two passes. The first reads the ids, if there are any, and asks which rows are wanted; the
//! second reads those rows. So a run that goes on passes by what is done without reading its images. In memory are a data
//! page of each column, a few rows, and a byte for each row of the row group.

pub(crate) mod cells;
pub(crate) mod columns;

use std::fs::File;

use anyhow::Context;
use arrow_array::ArrayRef;
use arrow_schema::ArrowError;
use bytes::Bytes;
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::{
    ArrowReaderMetadata, ArrowReaderOptions, ParquetRecordBatchReader,
    ParquetRecordBatchReaderBuilder, RowSelection, RowSelector,
};

pub use self::columns::ColumnNames;

use self::cells::{bytes, whole_number};
use self::columns::Columns;
use super::files::Input;
use super::{Closed, Feed, Source};
use crate::cli::embed::item::{Content, Item, Kind};

/// Rows in memory at a time: there may be a large image in each.
const ROWS_AT_A_TIME: usize = 16;
/// The same for ids alone.
const IDS_AT_A_TIME: usize = 4096;

/// What is wanted of a row.
const IMAGE: u8 = 1;
const TEXT: u8 = 2;

/// Parquet files.
#[derive(Debug)]
pub struct Rows {
    files: Vec<Input>,
    names: ColumnNames,
    rows: u64,
}

impl Rows {
    /// Looks at all files' columns; a file that is damaged is reported when its turn comes.
    ///
    /// # Errors
    /// If a file lacks a column.
    pub fn open(files: Vec<Input>, names: &ColumnNames) -> anyhow::Result<Self> {
        let mut rows = 0;
        for file in &files {
            let Ok(metadata) = metadata(file) else {
                continue;
            };
            let columns = names
                .find(metadata.parquet_schema())
                .with_context(|| format!("in {}", file.path.display()))?;
            let items = u64::from(columns.image.is_some()) + u64::from(columns.text.is_some());
            let count = metadata.metadata().file_metadata().num_rows();
            rows += items * u64::try_from(count).unwrap_or(0);
        }
        Ok(Self {
            files,
            names: names.clone(),
            rows,
        })
    }
}

impl Source for Rows {
    fn read(&self, feed: &mut Feed) -> Result<(), Closed> {
        for input in &self.files {
            let opened = metadata(input).and_then(|metadata| {
                let columns = self.names.find(metadata.parquet_schema())?;
                Ok((metadata, columns))
            });
            let (metadata, columns) = match opened {
                Ok(opened) => opened,
                Err(error) => {
                    feed.broken(&input.name, "parquet", format!("{error:#}"))?;
                    continue;
                }
            };
            let mut before = 0;
            for group in 0..metadata.metadata().num_row_groups() {
                let rows = metadata.metadata().row_group(group).num_rows();
                let group = Group {
                    input,
                    metadata: &metadata,
                    columns: &columns,
                    group,
                    before,
                };
                before += u64::try_from(rows).unwrap_or(0);
                match group.read(feed) {
                    Ok(()) => {}
                    Err(Trouble::Closed) => return Err(Closed),
                    Err(Trouble::Damaged(error)) => {
                        let reason = format!("row group {}: {error:#}", group.group);
                        feed.broken(&input.name, "parquet", reason)?;
                    }
                }
            }
        }
        Ok(())
    }

    fn total(&self) -> Option<u64> {
        Some(self.rows)
    }
}

/// The types are taken as Parquet has them: what Arrow made of them on the way in (views, dictionaries) does not matter.
fn metadata(input: &Input) -> anyhow::Result<ArrowReaderMetadata> {
    let file = File::open(&input.path)?;
    let options = ArrowReaderOptions::new().with_skip_arrow_metadata(true);
    Ok(ArrowReaderMetadata::load(&file, options)?)
}

enum Trouble {
    Closed,
    Damaged(anyhow::Error),
}

impl From<Closed> for Trouble {
    fn from(Closed: Closed) -> Self {
        Self::Closed
    }
}

impl From<anyhow::Error> for Trouble {
    fn from(error: anyhow::Error) -> Self {
        Self::Damaged(error)
    }
}

impl From<ArrowError> for Trouble {
    fn from(error: ArrowError) -> Self {
        Self::Damaged(error.into())
    }
}

/// One row group of one file.
struct Group<'a> {
    input: &'a Input,
    metadata: &'a ArrowReaderMetadata,
    columns: &'a Columns,
    group: usize,
    /// Rows of the file before it.
    before: u64,
}

impl Group<'_> {
    fn read(&self, feed: &mut Feed) -> Result<(), Trouble> {
        let wanted = self.wanted(feed)?;
        if wanted.iter().all(|what| *what == 0) {
            return Ok(());
        }
        let selectors = wanted.chunk_by(|a, b| (*a == 0) == (*b == 0)).map(|run| {
            let skip = run.first() == Some(&0);
            RowSelector {
                row_count: run.len(),
                skip,
            }
        });
        let selection: RowSelection = selectors.collect::<Vec<_>>().into();
        let Columns { id, image, text } = self.columns;
        let mask = Columns::mask(self.metadata.parquet_schema(), [id, image, text]);
        let mut rows = wanted
            .iter()
            .enumerate()
            .filter(|(_, what)| **what != 0)
            .map(|(row, what)| (self.before + row as u64, *what));
        for batch in self.reader(mask, ROWS_AT_A_TIME, Some(selection))? {
            let batch = batch?;
            let ids = id.as_ref().and_then(|id| id.of(&batch));
            let images = image.as_ref().and_then(|image| image.of(&batch));
            let texts = text.as_ref().and_then(|text| text.of(&batch));
            for (i, (row, what)) in (0..batch.num_rows()).zip(rows.by_ref()) {
                let Some(id) = self.id(ids.as_ref(), i, row) else {
                    continue;
                };
                if what & IMAGE != 0 {
                    self.image(images.as_ref(), i, &id, feed)?;
                }
                if what & TEXT != 0 {
                    self.text(texts.as_ref(), i, id, feed)?;
                }
            }
        }
        Ok(())
    }

    /// What is wanted of each row of the group.
    fn wanted(&self, feed: &mut Feed) -> Result<Vec<u8>, Trouble> {
        let mut wanted = Vec::new();
        let Some(id) = &self.columns.id else {
            let rows = self.metadata.metadata().row_group(self.group).num_rows();
            for row in 0..u64::try_from(rows).unwrap_or(0) {
                wanted.push(self.ask(&self.numbered(self.before + row), feed)?);
            }
            return Ok(wanted);
        };
        let mask = Columns::mask(self.metadata.parquet_schema(), [&self.columns.id]);
        for batch in self.reader(mask, IDS_AT_A_TIME, None)? {
            let batch = batch?;
            let ids = id.of(&batch);
            for i in 0..batch.num_rows() {
                let row = self.before + wanted.len() as u64;
                wanted.push(match self.id(ids.as_ref(), i, row) {
                    Some(id) => self.ask(&id, feed)?,
                    None => {
                        let reason = "the row has no id, or one that is not UTF-8";
                        feed.broken(self.numbered(row), "row", reason)?;
                        0
                    }
                });
            }
        }
        Ok(wanted)
    }

    fn ask(&self, id: &str, feed: &mut Feed) -> Result<u8, Closed> {
        let mut wanted = 0;
        if self.columns.image.is_some() && feed.wants(Kind::Image, id)? {
            wanted |= IMAGE;
        }
        if self.columns.text.is_some() && feed.wants(Kind::Text, id)? {
            wanted |= TEXT;
        }
        Ok(wanted)
    }

    fn reader(
        &self,
        mask: ProjectionMask,
        rows: usize,
        selection: Option<RowSelection>,
    ) -> anyhow::Result<ParquetRecordBatchReader> {
        let file = File::open(&self.input.path)?;
        let mut builder =
            ParquetRecordBatchReaderBuilder::new_with_metadata(file, self.metadata.clone())
                .with_row_groups(vec![self.group])
                .with_projection(mask)
                .with_batch_size(rows);
        if let Some(selection) = selection {
            builder = builder.with_row_selection(selection);
        }
        Ok(builder.build()?)
    }

    /// The id of a row that has none of its own.
    fn numbered(&self, row: u64) -> String {
        format!("{}:{row}", self.input.name)
    }

    /// The id at `i` of what was read; None if the cell is empty.
    fn id(&self, ids: Option<&ArrayRef>, i: usize, row: u64) -> Option<String> {
        match (&self.columns.id, ids) {
            (None, _) => Some(self.numbered(row)),
            (Some(_), ids) => whole_number(ids?, i)
                .or_else(|| String::from_utf8(bytes(ids?, i)?.to_vec()).ok())
                .filter(|id| !id.is_empty()),
        }
    }

    fn image(
        &self,
        images: Option<&ArrayRef>,
        i: usize,
        id: &str,
        feed: &mut Feed,
    ) -> Result<(), Closed> {
        match images.and_then(|images| bytes(images, i)) {
            None => feed.empty(),
            Some(bytes) => feed.item(Item {
                id: id.to_owned(),
                content: Content::Image(Bytes::copy_from_slice(bytes)),
            })?,
        }
        Ok(())
    }

    fn text(
        &self,
        texts: Option<&ArrayRef>,
        i: usize,
        id: String,
        feed: &mut Feed,
    ) -> Result<(), Closed> {
        let text = texts
            .and_then(|texts| bytes(texts, i))
            .map(std::str::from_utf8);
        match text {
            Some(Err(_)) => feed.broken(id, Kind::Text.name(), "the text is not UTF-8")?,
            Some(Ok(text)) if !text.trim().is_empty() => feed.item(Item {
                id,
                content: Content::Text(text.to_owned()),
            })?,
            _ => feed.empty(),
        }
        Ok(())
    }
}
