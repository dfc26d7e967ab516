//! `clip-in embed`: folders of images and files of texts → a Parquet file. It may be stopped and started at any time.

mod output;
mod sources;

use std::collections::HashSet;
use std::io::IsTerminal;
use std::path::PathBuf;
use std::sync::Arc;

use anyhow::{Context, bail};
use clap::Args;
use futures_util::StreamExt;
use indicatif::{ProgressBar, ProgressStyle};

use self::output::{Output, Row};
use self::sources::{Kind, Source};
use super::{block_on, load};
use crate::engine::{
    EmbedError, EmbedOptions, EngineError, EngineSettings, ImageSource, Item, Lane, Model,
};

#[derive(Debug, Args)]
#[command(
    after_help = "The output has the columns id (path below --images, or line number in --texts), kind (image or text), \
    text (for texts) and embedding.\nStopped half-way, the same command goes on where it was. Items that cannot be embedded are listed, with \
    the reason, in OUT.errors.jsonl; with --strict they make the exit status 1."
)]
pub struct EmbedArguments {
    /// Folder of the bundle
    #[arg(long, env = "CLIP_IN_MODEL", default_value = "models/demo")]
    model: PathBuf,
    /// Precision to run at; auto is what `serve` would take
    #[arg(long, env = "CLIP_IN_PRECISION", default_value = "auto")]
    precision: String,
    /// Folder of images, searched with its sub-folders
    #[arg(long, required_unless_present = "texts")]
    images: Option<PathBuf>,
    /// File with one text a line; empty lines are left out
    #[arg(long)]
    texts: Option<PathBuf>,
    /// Parquet file to write
    #[arg(long)]
    out: PathBuf,
    /// Exit with status 1 if an item could not be embedded
    #[arg(long)]
    strict: bool,
}

/// Rows in a part file: what is lost at most when the process is killed.
const ROWS_IN_A_PART: usize = 512;

pub fn run(arguments: &EmbedArguments) -> anyhow::Result<()> {
    let sources = sources::find(arguments.images.as_deref(), arguments.texts.as_deref())?;
    let settings = EngineSettings::default();
    let model = load(&arguments.model, &arguments.precision, &settings)?;
    let width = model.manifest().embedding_dim;
    let mut output = Output::open(&arguments.out, model.name(), model.precision(), width)?;
    let done: HashSet<String> = output.done().clone();
    let todo: Vec<Source> = sources
        .into_iter()
        .filter(|source| !done.contains(&source.key()))
        .collect();
    let total = done.len() + todo.len();
    if !done.is_empty() {
        eprintln!("{} of {total} items are there already", done.len());
    }
    let progress = progress_bar(total as u64, done.len() as u64);
    let failed = block_on(embed_all(&model, todo, &settings, &mut output, &progress))??;
    model.stop();
    progress.finish_and_clear();
    let rows = output.finish()?;
    eprintln!("{rows} embeddings are in {}", arguments.out.display());
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

/// Embeds everything, several items at a time, in order. Gives the number of items that could not be embedded.
async fn embed_all(
    model: &Arc<Model>,
    todo: Vec<Source>,
    settings: &EngineSettings,
    output: &mut Output,
    progress: &ProgressBar,
) -> anyhow::Result<usize> {
    // Enough to fill a batch on every worker while as much is being decoded.
    let batch = settings.batching.images.max(settings.batching.texts);
    let at_a_time = 4 * num_cpus::get() * batch;
    let mut results = futures_util::stream::iter(todo)
        .map(|source| async move {
            let result = embed_one(model, &source).await;
            (source, result)
        })
        .buffered(at_a_time);
    let mut failed = 0;
    let mut rows = Vec::new();
    while let Some((source, result)) = results.next().await {
        match result {
            Ok(embedding) => rows.push(Row {
                key: source.key(),
                source,
                embedding,
            }),
            Err(Failure::Item(reason)) => {
                failed += 1;
                progress.suspend(|| eprintln!("skipped {}: {reason}", source.id));
                output.report(&source, &reason)?;
            }
            Err(Failure::Engine(error)) => {
                return Err(error).context("the engine failed; start again to go on from here");
            }
        }
        progress.inc(1);
        if rows.len() >= ROWS_IN_A_PART {
            output.write(&mut rows)?;
        }
    }
    output.write(&mut rows)?;
    Ok(failed)
}

enum Failure {
    Item(String),
    Engine(EngineError),
}

async fn embed_one(model: &Model, source: &Source) -> Result<crate::engine::Embedding, Failure> {
    let item = match &source.kind {
        Kind::Image(path) => {
            let bytes = tokio::fs::read(path)
                .await
                .map_err(|e| Failure::Item(format!("cannot be read: {e}")))?;
            Item::Image(ImageSource::Bytes(bytes.into()))
        }
        Kind::Text(text) => Item::Text(text.clone()),
    };
    let options = EmbedOptions {
        lane: Lane::Bulk,
        ..EmbedOptions::default()
    };
    match model.embed(vec![item], options).await {
        Ok(embedded) => embedded
            .embeddings
            .into_iter()
            .next()
            .ok_or(Failure::Engine(EngineError::Dead)),
        Err(EmbedError::Item { error, .. }) => Err(Failure::Item(error.to_string())),
        // An input that breaks inference breaks it again at the next start: it must not stop the others for ever.
        Err(EmbedError::Engine(EngineError::Inference(reason))) => Err(Failure::Item(reason)),
        Err(EmbedError::Engine(error)) => Err(Failure::Engine(error)),
    }
}

fn progress_bar(total: u64, done: u64) -> ProgressBar {
    if !std::io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let bar = ProgressBar::new(total).with_position(done);
    let style = ProgressStyle::with_template("{bar:40} {pos}/{len} {per_sec} eta {eta}");
    bar.with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
        .with_elapsed(std::time::Duration::ZERO)
}
