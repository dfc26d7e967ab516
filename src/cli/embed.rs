//! `clip-in embed`: folders of images, files of texts, Parquet files and tars → a Parquet file. It may be stopped and
//! started at any time.

pub(crate) mod flow;
mod item;
mod met;
mod output;
pub(crate) mod sources;

use std::io::IsTerminal;
use std::path::PathBuf;

use anyhow::bail;
use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};

use self::output::Output;
use self::sources::{ColumnNames, Inputs, MostBytes};
use super::{block_on, load};
use crate::engine::EngineSettings;

#[derive(Debug, Args)]
#[command(
    after_help = "The output has the columns id (path below --images, line number in --texts, id of the Parquet row, name of the tar's member \
    without its ending), kind (image or text), text (for texts) and embedding. An id is unique among the images, and among the texts.\n\
    Stopped half-way, the same command goes on where it was. Items that cannot be embedded, and files that cannot be read, are listed, with \
    the reason, in OUT.errors.jsonl; with --strict they make the exit status 1.\n\
    Memory does not grow with the input, but for 20 to 40 bytes an item: what is done is remembered by a fingerprint."
)]
pub struct EmbedArguments {
    /// Folder of the bundle
    #[arg(long, env = "CLIP_IN_MODEL", default_value = "models/demo")]
    model: PathBuf,
    /// Precision to run at; auto is what `serve` would take
    #[arg(long, env = "CLIP_IN_PRECISION", default_value = "auto")]
    precision: String,
    #[command(flatten)]
    inputs: Inputs,
    #[command(flatten)]
    columns: ColumnNames,
    /// Parquet file to write
    #[arg(long)]
    out: PathBuf,
    /// Exit with status 1 if an item could not be embedded
    #[arg(long)]
    strict: bool,
}

pub fn run(arguments: &EmbedArguments) -> anyhow::Result<()> {
    let mut settings = EngineSettings::default();
    let most = MostBytes {
        image: settings.image_limits.max_bytes,
        text: settings.max_text_bytes,
    };
    let sources = sources::open(&arguments.inputs, &arguments.columns, most)?;
    // With many cores, more is on its way than a server would let wait.
    settings.queue_capacity = settings.queue_capacity.max(flow::at_a_time(&settings));
    let model = load(&arguments.model, &arguments.precision, &settings)?;
    let width = model.manifest().embedding_dim;
    let (mut output, met) = Output::open(&arguments.out, model.name(), model.precision(), width)?;
    if output.rows() > 0 {
        eprintln!("{} embeddings are there already", output.rows());
    }
    let progress = bar_of(|| sources::total(&sources));
    let outcome = block_on(flow::embed_all(
        &model,
        sources,
        met,
        &settings,
        &mut output,
        &progress,
    ))??;
    model.stop();
    progress.finish_and_clear();
    let rows = output.finish()?;
    let left_out = outcome.left_out;
    if left_out.done > 0 {
        eprintln!("{} items were done before", left_out.done);
    }
    if left_out.empty > 0 {
        eprintln!("{} empty lines or cells were left out", left_out.empty);
    }
    eprintln!("{rows} embeddings are in {}", arguments.out.display());
    let failed = outcome.failed;
    if failed > 0 {
        eprintln!(
            "{failed} items could not be embedded: see {}",
            output::errors_path(&arguments.out).display()
        );
        if arguments.strict {
            bail!("{failed} items could not be embedded");
        }
    }
    Ok(())
}

/// Only where someone sees it: counting reads every folder and file of texts once more.
pub(super) fn bar_of(total: impl FnOnce() -> Option<u64>) -> ProgressBar {
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
