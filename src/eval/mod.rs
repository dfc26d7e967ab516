//! Benchmarks on a bundle, through the server's own engine: decoding, tokenising and encoders are those that serve.
//!
//! ```text
//! benchmark file (mmvp, winoground, …) → Dataset → embedding → Scoring → metrics with intervals → Report → table, JSON, plots
//!                                                                                       two Reports → compare
//! ```
//!
//! A cosine counts as larger only if it is larger: a tie is wrong, everywhere. Images are read and embedded one after the
//! other; texts, embeddings and outcomes are in memory. What cannot be read or embedded is counted and named, and the
//! records that need it are left out of the metrics.

mod bootstrap;
mod broken;
pub mod compare;
mod embedding;
mod json;
mod left_out;
mod lengths;
mod mcnemar;
mod mmvp;
mod pairs;
mod pictures;
mod plots;
mod quads;
mod report;
mod retrieval;
mod rows;
mod run;
mod scoring;
mod sugarcrepe;
mod table;
mod texts;
mod winoground;
mod zeroshot;

pub use broken::Broken;
pub use pairs::Captions;
pub use plots::write as write_plots;
pub use report::{LengthRow, Metric, ModelOfReport, Report};
pub use retrieval::{Layout, Selection};
pub use run::{Rules, run};
pub use scoring::{Outcome, Over, ScoredItem};
pub use table::table;
pub use zeroshot::Wording;

use std::collections::BTreeMap;
use std::path::Path;

use crate::engine::Embedding;

use self::pictures::Pictures;
use self::scoring::Scored;
use self::texts::Texts;

/// A benchmark's data, read but for the images.
pub struct Dataset {
    /// Name of the benchmark.
    benchmark: &'static str,
    /// What else decides what is asked: layout, prefix, templates.
    options: BTreeMap<String, String>,
    /// All texts that are to be embedded.
    texts: Texts,
    /// All images that are to be embedded.
    pictures: Pictures,
    /// Records that the data has, broken ones included.
    records: usize,
    /// What could not be read.
    broken: Vec<Broken>,
    /// Which image belongs to which text.
    scoring: Box<dyn Scoring>,
}

/// From embeddings to outcomes.
trait Scoring: Send + Sync {
    /// Scores every item whose embeddings are all there.
    fn score(&self, vectors: &Vectors) -> Scored;
}

/// Embeddings by their place in [`Dataset`]; None of what could not be embedded.
struct Vectors {
    images: Vec<Option<Embedding>>,
    texts: Vec<Option<Embedding>>,
}

impl Vectors {
    fn image(&self, index: usize) -> Option<&[f32]> {
        self.images.get(index)?.as_deref()
    }

    fn text(&self, index: usize) -> Option<&[f32]> {
        self.texts.get(index)?.as_deref()
    }
}

impl Dataset {
    /// MMVP-VLM: `Questions.csv` and `MLLM_VLM Images/`.
    ///
    /// # Errors
    /// If the data is not there, or has another form; the message names file and column.
    pub fn mmvp(folder: &Path) -> anyhow::Result<Self> {
        mmvp::open(folder)
    }

    /// Winoground: Parquet of the Hub, or `examples.jsonl` and `images/`. `by` is the column of the groups.
    ///
    /// # Errors
    /// As [`Dataset::mmvp`].
    pub fn winoground(path: &Path, by: &str) -> anyhow::Result<Self> {
        winoground::open(path, by)
    }

    /// SugarCrepe: seven JSON files, and the folder of COCO's images.
    ///
    /// # Errors
    /// As [`Dataset::mmvp`].
    pub fn sugarcrepe(folder: &Path, images: &Path) -> anyhow::Result<Self> {
        sugarcrepe::open(folder, images)
    }

    /// Retrieval, both ways.
    ///
    /// # Errors
    /// As [`Dataset::mmvp`].
    pub fn retrieval(path: &Path, selection: &Selection) -> anyhow::Result<Self> {
        retrieval::open(path, selection)
    }

    /// Classification by descriptions of the classes: a folder a class.
    ///
    /// # Errors
    /// As [`Dataset::mmvp`].
    pub fn zeroshot(folder: &Path, wording: &Wording) -> anyhow::Result<Self> {
        zeroshot::open(folder, wording)
    }

    /// Pairs of edits in UltraEdit's columns.
    ///
    /// # Errors
    /// As [`Dataset::mmvp`].
    pub fn pairs(path: &Path, captions: Captions) -> anyhow::Result<Self> {
        pairs::open(path, captions)
    }

    /// Embeddings that have to be computed.
    pub fn embeddings(&self) -> usize {
        self.texts.len() + self.pictures.len()
    }
}
