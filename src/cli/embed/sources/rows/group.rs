//! One row group of one file, read in two passes: first which rows are wanted, then those rows.

use arrow_array::ArrayRef;
use arrow_schema::ArrowError;
use bytes::Bytes;
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::{
    ArrowReaderMetadata, ParquetRecordBatchReader, ParquetRecordBatchReaderBuilder, RowSelection,
    RowSelector,
};

use super::named_columns::Columns;
use crate::cli::embed::item::{Content, Item, Kind};
use crate::cli::embed::sources::Feed;
use crate::dataset::parquet::{bytes, projection, whole_number};
use crate::dataset::pipeline::Closed;
use crate::dataset::store::{Access, Blob, Chunks};

/// Number of rows in memory at a time: each may contain a large image.
const ROWS_AT_A_TIME: usize = 16;
/// Number of rows at a time if only ids are read.
const IDS_AT_A_TIME: usize = 4096;

/// The wanted parts of a row.
const IMAGE: u8 = 1;
const TEXT: u8 = 2;

/// The reason why a row group was not read to its end.
pub enum Failure {
    Closed,
    Damaged(anyhow::Error),
}

impl From<Closed> for Failure {
    fn from(Closed: Closed) -> Self {
        Self::Closed
    }
}

impl From<anyhow::Error> for Failure {
    fn from(error: anyhow::Error) -> Self {
        Self::Damaged(error)
    }
}

impl From<std::io::Error> for Failure {
    fn from(error: std::io::Error) -> Self {
        Self::Damaged(error.into())
    }
}

impl From<ArrowError> for Failure {
    fn from(error: ArrowError) -> Self {
        Self::Damaged(error.into())
    }
}

/// One row group of one file.
pub struct Group<'a> {
    pub input: &'a Blob,
    /// For reading ids.
    pub ids: &'a Chunks,
    pub metadata: &'a ArrowReaderMetadata,
    pub columns: &'a Columns,
    pub group: usize,
    /// Number of rows of the file before it.
    pub before: u64,
}

impl Group<'_> {
    /// Offers its rows.
    pub fn read(&self, feed: &mut Feed) -> Result<(), Failure> {
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
        let mask = projection(self.metadata.parquet_schema(), [id, image, text]);
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

    /// The wanted parts of each row of the group.
    fn wanted(&self, feed: &mut Feed) -> Result<Vec<u8>, Failure> {
        let mut wanted = Vec::new();
        let Some(id) = &self.columns.id else {
            let rows = self.metadata.metadata().row_group(self.group).num_rows();
            for row in 0..u64::try_from(rows).unwrap_or(0) {
                wanted.push(self.ask(&self.numbered(self.before + row), feed)?);
            }
            return Ok(wanted);
        };
        let mask = projection(self.metadata.parquet_schema(), [&self.columns.id]);
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

    /// The id of a row without an id column.
    fn numbered(&self, row: u64) -> String {
        format!("{}:{row}", self.input.name)
    }

    /// The id at `i` of the data; None if the cell is empty.
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
