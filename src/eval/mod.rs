//! Benchmarks on a bundle, with the server's own engine: decoding, tokenising and encoders are the same as in serving.
//!
//! ```text
//! benchmark file (mmvp, winoground, …) → Dataset → embedding → Scoring → metrics with intervals → Report → table, JSON, plots
//!                                                                                       two Reports → compare
//! ```
//!
//! `anomaly` takes another way, through the comparison with references ([`run_anomaly`]).
//!
//! A tie counts as wrong in every benchmark. Images are read and embedded one after another; texts, embeddings and outcomes
//! are in memory. Data that cannot be read or embedded is counted and named, and its records are left out of the metrics.

mod anomaly;
mod bootstrap;
mod broken;
mod changes;
pub mod compare;
mod embedding;
pub mod gate;
mod json;
mod left_out;
mod lengths;
mod markup;
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

pub use anomaly::{
    AnomalyLayout, AnomalySet, CategoryResult, Choice, Sheet, open_anomaly, run_anomaly,
};
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
use crate::inspection::statements::Weights;

use self::pictures::Pictures;
use self::scoring::Scored;
use self::texts::Texts;

/// The data of a benchmark, without the images.
pub struct Dataset {
    /// Name of the benchmark.
    benchmark: &'static str,
    /// Other settings that define the benchmark: layout, prefix, templates.
    options: BTreeMap<String, String>,
    /// All texts to embed.
    texts: Texts,
    /// All images to embed.
    pictures: Pictures,
    /// Number of records, including broken ones.
    records: usize,
    /// Data that could not be read.
    broken: Vec<Broken>,
    /// The assignment of images to texts.
    scoring: Box<dyn Scoring>,
}

/// Computes outcomes from embeddings.
trait Scoring: Send + Sync {
    /// Scores every item with complete embeddings.
    fn score(&self, vectors: &Vectors) -> Scored;
}

/// What scoring needs of a model.
struct Vectors {
    /// Embeddings by their index in [`Dataset`]; None where embedding failed.
    images: Vec<Option<Embedding>>,
    /// As `images`.
    texts: Vec<Option<Embedding>>,
    /// How the model ranks statements about a change.
    weights: Option<Weights>,
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
    /// If the data does not exist or has another form; the message names file and column.
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

    /// Retrieval in both directions.
    ///
    /// # Errors
    /// As [`Dataset::mmvp`].
    pub fn retrieval(path: &Path, selection: &Selection) -> anyhow::Result<Self> {
        retrieval::open(path, selection)
    }

    /// Classification by descriptions of the classes: one folder per class.
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

    /// Edits with statements about the change, the source as golden sample. Without a column of statements, the true one
    /// stands among those of `others` other edits.
    ///
    /// # Errors
    /// As [`Dataset::mmvp`].
    pub fn changes(path: &Path, captions: Captions, others: usize) -> anyhow::Result<Self> {
        changes::open(path, captions, others)
    }

    /// Number of embeddings to compute.
    pub fn embeddings(&self) -> usize {
        self.texts.len() + self.pictures.len()
    }
}
