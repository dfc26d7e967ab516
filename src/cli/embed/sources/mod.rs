//! The sources of items. A source is read once from beginning to end and holds only the current data. It offers each item to
//! a [`Feed`], which says whether it is wanted, and sends the wanted ones one by one.
//!
//! The feed alone decides about items (done already, seen twice, another worker's shard).

mod feed;
mod folder;
mod lines;
mod listed;
mod rows;
mod tars;

use std::path::PathBuf;

use anyhow::bail;

pub use self::feed::{Feed, SourceEvent, Tally};
pub use self::rows::ColumnNames;
use super::survey::{Survey, Surveyed};
use crate::dataset::pipeline::Closed;
use crate::dataset::store::{self, Stores};
use crate::dataset::{parquet, tar_members};

/// Something that contains items. A fault of the whole source is an error when it is opened. A fault of a part is reported
/// to the feed, and reading continues after it.
pub trait Source: Send {
    /// Offers all items, always in the same order.
    ///
    /// # Errors
    /// If the receiver was dropped.
    fn read(&self, feed: &mut Feed) -> Result<(), Closed>;

    /// Adds all files that are read, in reading order.
    ///
    /// # Errors
    /// If a store cannot be listed.
    fn survey(&self, survey: &mut Survey) -> anyhow::Result<()>;

    /// The number of items, if it is known quickly.
    fn total(&self) -> Option<u64>;
}

/// The inputs of the command line.
#[derive(Debug, Clone, clap::Args)]
#[group(id = "inputs", required = true, multiple = true)]
pub struct Inputs {
    /// Folder of images, searched with its sub-folders. This and the other inputs may be s3://BUCKET/PATH
    #[arg(long, value_name = "DIR")]
    images: Option<PathBuf>,
    /// File with one text per line; empty lines are left out
    #[arg(long, value_name = "FILE")]
    texts: Option<PathBuf>,
    /// Parquet files, or folders of them, with one item per row: see --image-column and --text-column
    #[arg(long, value_name = "PATH", num_args = 1..)]
    parquet: Vec<PathBuf>,
    /// Webdataset tars (.tar, .tar.gz, .tgz), or folders of them: images (jpg, jpeg, png, webp, gif, bmp, tif, tiff) and texts (txt).
    /// The id is the member's name up to its last dot
    #[arg(long, value_name = "PATH", num_args = 1..)]
    tars: Vec<PathBuf>,
}

/// Sizes in bytes above which an item is refused without being read.
#[derive(Debug, Clone, Copy)]
pub struct MostBytes {
    pub image: usize,
    pub text: usize,
}

/// Opens all inputs.
///
/// # Errors
/// If one does not exist or lacks a column.
pub fn open(
    inputs: &Inputs,
    columns: &ColumnNames,
    most: MostBytes,
    stores: &mut Stores,
) -> anyhow::Result<Vec<Box<dyn Source>>> {
    let mut sources: Vec<Box<dyn Source>> = Vec::new();
    if let Some(folder) = &inputs.images {
        sources.push(Box::new(folder::Folder::open(stores.place(folder)?)?));
    }
    if let Some(file) = &inputs.texts {
        let file = store::one(file, stores)?;
        sources.push(Box::new(lines::Lines::new(file, most.text)));
    }
    if !inputs.parquet.is_empty() {
        let files = store::find(&inputs.parquet, &parquet::ENDINGS, stores)?;
        sources.push(Box::new(rows::Rows::open(files, columns)?));
    }
    if !inputs.tars.is_empty() {
        let files = store::find(&inputs.tars, &tar_members::ENDINGS, stores)?;
        sources.push(Box::new(tars::Tars::new(files, most)));
    }
    if let Some(fault) = stores.faults().first() {
        bail!("{fault}");
    }
    Ok(sources)
}

/// Adds all files of all sources, without reading them.
///
/// # Errors
/// If a store cannot be listed.
pub fn survey(sources: &[Box<dyn Source>]) -> anyhow::Result<Surveyed> {
    let mut survey = Survey::default();
    for source in sources {
        source.survey(&mut survey)?;
    }
    Ok(survey.end())
}

/// The number of items of all sources, if each of them knows it.
pub fn total(sources: &[Box<dyn Source>]) -> Option<u64> {
    sources.iter().map(|source| source.total()).sum()
}
