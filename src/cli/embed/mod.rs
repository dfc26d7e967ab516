//! `clip-in embed`: embeds folders of images, files of texts, Parquet files and tars into a Parquet file. It can be stopped
//! and started at any time.

mod flow;
mod item;
mod output;
mod seen;
mod shard;
mod sharded;
mod sources;
mod survey;
mod target;

use std::io::IsTerminal;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::bail;
use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};

use self::flow::{RunSummary, Work};
use self::output::{Earlier, Output};
use self::shard::Shard;
use self::sources::{ColumnNames, Inputs, MostBytes};
use super::image_arguments::ImageArguments;
use super::{block_on, load};
use crate::dataset::pipeline;
use crate::dataset::store::{Patience, Place, Stores};
use crate::engine::{EngineSettings, Model};

#[derive(Debug, Args)]
#[command(
    after_help = "The output has the columns id (path below --images, line number in --texts, id of the Parquet row, name of the tar's member \
    without its ending), kind (image or text), text (for texts) and embedding. An id is unique among the images, and among the texts.\n\
    If it is stopped half-way, the same command continues where it was. Items that cannot be embedded, and files that cannot be read, are listed, with \
    the reason, in OUT.errors.jsonl; with --strict they make the exit status 1.\n\
    Memory does not grow with the input, except for 20 to 40 bytes for each item: a fingerprint of what is complete.\n\
    Inputs and --out may be s3://BUCKET/PATH, in any store that speaks S3: settings and credentials come from the environment \
    (AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_SESSION_TOKEN, AWS_REGION, AWS_ENDPOINT_URL, AWS_ALLOW_HTTP=true for http://, …). Other stores are not \
    supported. An --out in a store is always written by shards; without --shard by one, 0/1.\n\
    Shards: with --shard 0/16 to --shard 15/16, sixteen workers do the work of one, each into OUT/part-00000-of-00016.parquet and so on. \
    A worker may be killed and started at any time. An output is complete or does not exist. It names the model, inputs and shard that it was made from, so \
    a worker whose shard is complete says so and ends with exit status 0. Anything else in its place is an error, unless --overwrite is given; \
    a damaged output is written again. Tars and row groups of Parquet files are not divided: more shards than there are of these are useless. Ids must be \
    unique over all inputs; repeated ids are listed as in a run without shards, except across tars in a store, where it is found within a shard only."
)]
pub struct EmbedArguments {
    /// Folder of the bundle
    #[arg(long, env = "CLIP_IN_MODEL", default_value = "models/demo")]
    model: PathBuf,
    /// Precision to run at; auto selects as `serve` does
    #[arg(long, env = "CLIP_IN_PRECISION", default_value = "auto")]
    precision: String,
    #[command(flatten)]
    inputs: Inputs,
    #[command(flatten)]
    columns: ColumnNames,
    #[command(flatten)]
    images: ImageArguments,
    /// Parquet file to write; with --shard, or in an object store, the folder or prefix of such files
    #[arg(long, value_name = "PATH")]
    out: PathBuf,
    /// Do one shard of the work: INDEX/COUNT, the index from 0. In a Kubernetes Indexed Job:
    /// --shard=$(JOB_COMPLETION_INDEX)/16
    #[arg(long, value_name = "INDEX/COUNT", env = "CLIP_IN_EMBED_SHARD")]
    shard: Option<Shard>,
    /// Replace a shard's output that was made from other inputs, with another model or by another program
    #[arg(long)]
    overwrite: bool,
    /// Folder for unfinished work if --out is in an object store: a worker that is started again with it continues there
    /// [default: a new temporary folder, which is lost when the worker is killed]
    #[arg(long, value_name = "DIR")]
    scratch: Option<PathBuf>,
    /// Exit with status 1 if an item could not be embedded
    #[arg(long)]
    strict: bool,
}

impl EmbedArguments {
    fn strict(&self, failed: u64) -> anyhow::Result<()> {
        if self.strict && failed > 0 {
            bail!("{failed} items could not be embedded");
        }
        Ok(())
    }
}

pub fn run(arguments: &EmbedArguments) -> anyhow::Result<()> {
    let mut stores = Stores::new(Patience::RUN);
    match (stores.place(&arguments.out)?, arguments.shard) {
        (Place::Local(out), None) => into_one_file(arguments, &out, stores),
        (out, shard) => sharded::run(arguments, shard.unwrap_or(Shard::WHOLE), out, stores),
    }
}

/// Everything into one file. Running the command again adds only new items.
fn into_one_file(arguments: &EmbedArguments, out: &Path, mut stores: Stores) -> anyhow::Result<()> {
    if arguments.overwrite || arguments.scratch.is_some() {
        bail!("--overwrite and --scratch are for --shard, and for an --out in an object store");
    }
    let most = most_bytes();
    let sources = sources::open(&arguments.inputs, &arguments.columns, most, &mut stores)?;
    let prepared = Prepared::new(arguments)?;
    let model = &prepared.model;
    let made_by = [("model", model.name()), ("precision", model.precision())];
    let made_by = made_by.map(|(key, value)| (key, value.to_owned()));
    let images = arguments.images.said().map(|said| ("images", said));
    let made_by = made_by.into_iter().chain(images);
    let made_by = made_by.map(|(key, value)| (format!("clip_in_{key}"), value));
    let width = model.manifest().embedding_dim;
    let (mut output, seen) = Output::open(out, made_by.collect(), width, Earlier::Kept)?;
    if output.rows() > 0 {
        message!("{} embeddings exist already", output.rows());
    }
    let total = std::io::stderr()
        .is_terminal()
        .then(|| sources::total(&sources));
    let work = Work {
        sources,
        seen,
        share: None,
        faults: stores.faults(),
    };
    let outcome = prepared.embed(work, &mut output, total.flatten())?;
    let failed = outcome.failed;
    let rows = output.finish(failed)?;
    outcome.left_out.tell();
    message!("{rows} embeddings are in {}", out.display());
    if failed > 0 {
        message!(
            "{failed} items could not be embedded: see {}",
            output::errors_path(out).display()
        );
    }
    arguments.strict(failed as u64)
}

fn most_bytes() -> MostBytes {
    let settings = EngineSettings::default();
    MostBytes {
        image: settings.image_limits.max_bytes,
        text: settings.max_text_bytes,
    }
}

/// A model that is ready for bulk work.
struct Prepared {
    model: Arc<Model>,
    settings: EngineSettings,
}

impl Prepared {
    fn new(arguments: &EmbedArguments) -> anyhow::Result<Self> {
        let mut settings = EngineSettings {
            image_options: arguments.images.options(),
            ..EngineSettings::default()
        };
        // With many cores, more items are in flight than a server would queue.
        settings.queue_capacity = settings.queue_capacity.max(pipeline::at_a_time(&settings));
        let model = load(&arguments.model, &arguments.precision, &settings)?;
        Ok(Self { model, settings })
    }

    /// Does the work and stops the model. `total` is the number of items, if known.
    fn embed(
        &self,
        work: Work,
        output: &mut Output,
        total: Option<u64>,
    ) -> anyhow::Result<RunSummary> {
        let progress = progress_bar(|| total);
        let (model, settings) = (&self.model, &self.settings);
        let outcome = block_on(flow::embed_all(model, work, settings, output, &progress))??;
        self.model.stop();
        progress.finish_and_clear();
        Ok(outcome)
    }
}

/// Only for a terminal: counting reads every folder and file of texts once more.
pub(crate) fn progress_bar(total: impl FnOnce() -> Option<u64>) -> ProgressBar {
    if !std::io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let (bar, template) = match total() {
        Some(total) => (
            ProgressBar::new(total),
            "{bar:40} {pos}/{len} {per_sec} eta {eta}",
        ),
        None => (
            ProgressBar::new_spinner(),
            "{spinner} {pos} {per_sec} in {elapsed}",
        ),
    };
    let style = ProgressStyle::with_template(template);
    bar.with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
}
