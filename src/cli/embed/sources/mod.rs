//! Where items come from. A source is read once, from its beginning to its end, and holds only what it reads at the moment:
//! it offers each item to a [`Feed`], which says whether it is wanted, and hands the wanted ones over one by one.
//!
//! What decides over items (done already, seen twice, another worker's share) is the feed's and of no source.

mod feed;
mod folder;
mod lines;
mod listed;
mod rows;
mod tars;

use std::path::PathBuf;

use anyhow::bail;

pub use self::feed::{Feed, Found, Tally};
pub use self::rows::ColumnNames;
use super::survey::{Survey, Surveyed};
use crate::dataset::pipeline::Closed;
use crate::dataset::store::{self, Stores};
use crate::dataset::{parquet, tar_members};

/// Something with items in it. A fault that concerns everything is an error when it is made; one of a part of it is
/// reported to the feed, and reading goes on behind it.
pub trait Source: Send {
    /// Offers all items, in an order that is always the same.
    ///
    /// # Errors
    /// If the receiver is gone.
    fn read(&self, feed: &mut Feed) -> Result<(), Closed>;

    /// Adds all files that are read, in the order in which they are.
    ///
    /// # Errors
    /// If a store cannot be listed.
    fn survey(&self, survey: &mut Survey) -> anyhow::Result<()>;

    /// How many items there are, if that can be told quickly.
    fn total(&self) -> Option<u64>;
}

/// The inputs of the command line.
#[derive(Debug, Clone, clap::Args)]
#[group(id = "inputs", required = true, multiple = true)]
pub struct Inputs {
    /// Folder of images, searched with its sub-folders. This and the other inputs may be s3://BUCKET/PATH
    #[arg(long, value_name = "DIR")]
    images: Option<PathBuf>,
    /// File with one text a line; empty lines are left out
    #[arg(long, value_name = "FILE")]
    texts: Option<PathBuf>,
    /// Parquet files, or folders of them, with a row an item: see --image-column and --text-column
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
/// If one is not there, or lacks a column.
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

/// What all of them read, without reading it.
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

/// How many items all of them have, if every one can tell.
pub fn total(sources: &[Box<dyn Source>]) -> Option<u64> {
    sources.iter().map(|source| source.total()).sum()
}
