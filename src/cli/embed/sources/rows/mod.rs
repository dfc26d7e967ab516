//! Rows of Parquet files: an image, a text, or one of each.
//!
//! A row group is read in two passes. The first reads the ids, if there are any, and asks which rows are wanted; the second
//! reads those rows. So a continued run skips completed rows without reading their images. In memory are one data page per
//! column, a few rows, and one byte for each row of the row group.

mod group;
mod named_columns;

use std::collections::HashSet;

use anyhow::Context;
use parquet::arrow::arrow_reader::ArrowReaderMetadata;

pub use self::named_columns::ColumnNames;

use self::group::{Failure, Group};
use super::{Feed, Source};
use crate::cli::embed::shard::Owner;
use crate::cli::embed::survey::Survey;
use crate::dataset::files::Listing;
use crate::dataset::parquet::{ENDINGS, metadata_of};
use crate::dataset::pipeline::Closed;
use crate::dataset::store::{Access, Blob, Chunks};

/// Parquet files.
#[derive(Debug)]
pub struct Rows {
    listing: Listing<Blob>,
    names: ColumnNames,
    /// The number of rows, if all files were opened.
    rows: Option<u64>,
    /// Whether rows may have equal ids.
    may_repeat: bool,
}

impl Rows {
    /// Checks the columns of all files, in a store those of the first one. A damaged file is reported when it is read.
    ///
    /// # Errors
    /// If a file lacks a column.
    pub fn open(listing: Listing<Blob>, names: &ColumnNames) -> anyhow::Result<Self> {
        let files = &listing.files;
        let mut rows = Some(0);
        let mut seen = HashSet::new();
        let mut may_repeat = !files.iter().all(|file| seen.insert(file.name.as_str()));
        for file in files {
            if rows.is_none() {
                break;
            }
            let metadata = match look(file) {
                Ok((_, metadata)) => metadata,
                Err(_) if file.is_remote() => {
                    (rows, may_repeat) = (None, true);
                    continue;
                }
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
            listing,
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
            // A row group belongs to one shard: a part of it could not be read without most of the rest.
            match feed.at(place) {
                Owner::Later => return Ok(()),
                Owner::Earlier if self.passes_by(feed) => {}
                Owner::Earlier | Owner::This => {
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
                        Err(Failure::Closed) => return Err(Closed),
                        Err(Failure::Damaged(error)) => {
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

    /// Whether earlier shards do not matter.
    fn passes_by(&self, feed: &Feed) -> bool {
        feed.is_alone() && !self.may_repeat
    }
}

impl Source for Rows {
    fn survey(&self, survey: &mut Survey) -> anyhow::Result<()> {
        survey.source("parquet");
        self.listing.survey(survey);
        Ok(())
    }

    fn read(&self, feed: &mut Feed) -> Result<(), Closed> {
        for file in &self.listing.files {
            match (feed.file(file.size), feed.end()) {
                (Owner::Later, _) => {}
                (Owner::Earlier, Owner::Earlier) if self.passes_by(feed) => {}
                _ => self.read_file(file, feed)?,
            }
        }
        self.listing.tell_others(feed, &ENDINGS)
    }

    fn total(&self) -> Option<u64> {
        self.rows
    }
}

/// Opens a file to read its columns and ids.
fn look(file: &Blob) -> anyhow::Result<(Chunks, ArrowReaderMetadata)> {
    let chunks = file.chunks(Access::Sparse)?;
    let metadata = metadata_of(&chunks)?;
    Ok((chunks, metadata))
}
