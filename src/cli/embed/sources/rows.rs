//! Rows of Parquet files: an image, a text, or one of each.
//!
//! A row group is read in two passes. The first reads the ids, if there are any, and asks which rows are wanted; the
//! second reads those rows. So a run that goes on passes by what is done without reading its images. In memory are a data
//! page of each column, a few rows, and a byte for each row of the row group.

pub(crate) mod cells;
pub(crate) mod columns;

use std::collections::HashSet;
use std::fs::File;
use std::path::Path;

use anyhow::Context;
use arrow_array::ArrayRef;
use arrow_schema::ArrowError;
use bytes::Bytes;
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::{
    ArrowReaderMetadata, ArrowReaderOptions, ParquetRecordBatchReader,
    ParquetRecordBatchReaderBuilder, RowSelection, RowSelector,
};

use parquet::file::reader::ChunkReader;

pub use self::columns::ColumnNames;

use self::cells::{bytes, whole_number};
use self::columns::Columns;
use super::{Closed, Feed, Source};
use crate::cli::embed::item::{Content, Item, Kind};
use crate::cli::embed::shard::Turn;
use crate::cli::embed::store::{Access, Blob, Chunks};
use crate::cli::embed::survey::Survey;

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
    files: Vec<Blob>,
    names: ColumnNames,
    /// If all files have been looked at.
    rows: Option<u64>,
    /// Whether rows may have the same id.
    may_repeat: bool,
}

impl Rows {
    /// Looks at all files' columns, in a store at those of the first; a file that is damaged is reported when its turn comes.
    ///
    /// # Errors
    /// If a file lacks a column.
    pub fn open(files: Vec<Blob>, names: &ColumnNames) -> anyhow::Result<Self> {
        let mut rows = Some(0);
        let mut seen = HashSet::new();
        let mut may_repeat = !files.iter().all(|file| seen.insert(file.name.as_str()));
        for file in &files {
            if rows.is_none() {
                break;
            }
            let metadata = match look(file) {
                Ok((_, metadata)) => metadata,
                Err(_) => continue,
            };
            let columns = names
                .find(metadata.parquet_schema())
                .with_context(|| format!("in {}", file.shown()))?;
            may_repeat |= columns.id.is_some();
            let items = u64::from(columns.image.is_some()) + u64::from(columns.text.is_some());
            let count = metadata.metadata().file_metadata().num_rows();
            let count = items * u64::try_from(count).unwrap_or(0);
            rows = rows.filter(|_| !file.is_remote()).map(|rows| rows + count);
        }
        Ok(Self {
            files,
            names: names.clone(),
            rows,
            may_repeat,
        })
    }

    fn read_file(&self, file: &Blob, feed: &mut Feed) -> Result<(), Closed> {
        let opened = look(file).and_then(|(ids, metadata)| {
            let columns = self.names.find(metadata.parquet_schema())?;
            Ok((ids, metadata, columns))
        });
        let (ids, metadata, columns) = match opened {
            Ok(opened) => opened,
            Err(error) => return feed.broken(&file.name, "parquet", format!("{error:#}")),
        };
        let (mut before, mut place) = (0, 0);
        for (group, about) in metadata.metadata().row_groups().iter().enumerate() {
            let rows = u64::try_from(about.num_rows()).unwrap_or(0);
            // A row group is one shard's: a part of it could not be read without much of the rest.
            match feed.at(place) {
                Turn::After => return Ok(()),
                Turn::Before if self.passes_by(feed) => {}
                Turn::Before | Turn::Mine => {
                    let group = Group {
                        input: file,
                        ids: &ids,
                        metadata: &metadata,
                        columns: &columns,
                        group,
                        before,
                    };
                    match group.read(feed) {
                        Ok(()) => {}
                        Err(Trouble::Closed) => return Err(Closed),
                        Err(Trouble::Damaged(error)) => {
                            let reason = format!("row group {}: {error:#}", group.group);
                            feed.broken(&file.name, "parquet", reason)?;
                        }
                    }
                }
            }
            before += rows;
            place += u64::try_from(about.compressed_size()).unwrap_or(0);
        }
        Ok(())
    }

    /// Whether nothing of earlier shards matters.
    fn passes_by(&self, feed: &Feed) -> bool {
        feed.is_alone() && !self.may_repeat
    }
}

impl Source for Rows {
    fn survey(&self, survey: &mut Survey) -> anyhow::Result<()> {
        survey.source("parquet");
        self.files.iter().for_each(|file| survey.file(file));
        Ok(())
    }

    fn read(&self, feed: &mut Feed) -> Result<(), Closed> {
        for file in &self.files {
            match (feed.file(file.size), feed.end()) {
                (Turn::After, _) => {}
                (Turn::Before, Turn::Before) if self.passes_by(feed) => {}
                _ => self.read_file(file, feed)?,
            }
        }
        Ok(())
    }

    fn total(&self) -> Option<u64> {
        self.rows
    }
}

/// Opens a file for a look at its columns and ids.
fn look(file: &Blob) -> anyhow::Result<(Chunks, ArrowReaderMetadata)> {
    let chunks = file.chunks(Access::Sparse)?;
    let metadata = metadata_of(&chunks)?;
    Ok((chunks, metadata))
}

/// The types are taken as Parquet has them: what Arrow made of them on the way in (views, dictionaries) does not matter.
pub(crate) fn metadata(path: &Path) -> anyhow::Result<ArrowReaderMetadata> {
    metadata_of(&File::open(path)?)
}

fn metadata_of(file: &impl ChunkReader) -> anyhow::Result<ArrowReaderMetadata> {
    let options = ArrowReaderOptions::new().with_skip_arrow_metadata(true);
    Ok(ArrowReaderMetadata::load(file, options)?)
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

impl From<std::io::Error> for Trouble {
    fn from(error: std::io::Error) -> Self {
        Self::Damaged(error.into())
    }
}

impl From<ArrowError> for Trouble {
    fn from(error: ArrowError) -> Self {
        Self::Damaged(error.into())
    }
}

/// One row group of one file.
struct Group<'a> {
    input: &'a Blob,
    /// To read ids from.
    ids: &'a Chunks,
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
        let file = self.input.chunks(Access::Whole)?;
        for batch in self.reader(file, mask, ROWS_AT_A_TIME, Some(selection))? {
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
        let file = self.ids.try_clone()?;
        for batch in self.reader(file, mask, IDS_AT_A_TIME, None)? {
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
        file: Chunks,
        mask: ProjectionMask,
        rows: usize,
        selection: Option<RowSelection>,
    ) -> anyhow::Result<ParquetRecordBatchReader> {
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
