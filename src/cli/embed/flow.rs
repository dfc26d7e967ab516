//! From the sources to the output, with the bulk pipeline.

use std::sync::Arc;

use anyhow::{Context, bail};
use bytes::Bytes;
use indicatif::ProgressBar;

use super::item::{Content, Item};
use super::output::{Output, Row};
use super::seen::SeenItems;
use super::shard::Share;
use super::sources::{Feed, Source, SourceEvent, Tally};
use crate::dataset::pipeline;
use crate::dataset::store::{Blob, Faults};
use crate::engine::{self, Embedding, EngineError, EngineSettings, ImageSource, Lane, Model};
use crate::preprocess::ImageError;

/// Rows in a part file: the most that is lost when the process is killed.
const ROWS_IN_A_PART: usize = 512;

/// The result of a run.
#[derive(Debug, Clone)]
pub struct RunSummary {
    /// Number of items that could not be embedded.
    pub failed: usize,
    /// Number and names of files that were left out.
    pub left_out: Tally,
}

/// The inputs, and the part of them to read.
pub struct Work {
    pub sources: Vec<Box<dyn Source>>,
    /// Items of earlier runs.
    pub seen: SeenItems,
    /// None reads everything.
    pub share: Option<Share>,
    /// Failures of the stores that the sources read from.
    pub faults: Faults,
}

/// Embeds all items that are not in the output yet, in order.
///
/// # Errors
/// If the engine or an object store fails, or the output cannot be written.
pub async fn embed_all(
    model: &Arc<Model>,
    work: Work,
    settings: &EngineSettings,
    output: &mut Output,
    progress: &ProgressBar,
) -> anyhow::Result<RunSummary> {
    let Work {
        sources,
        seen,
        share,
        faults,
    } = work;
    let alone = sources.len() == 1;
    let (faults_of_feed, progress_of_feed) = (faults.clone(), progress.clone());
    let read = move |sender| {
        let mut feed = Feed::new(seen, share, alone, faults_of_feed, sender, progress_of_feed);
        // Closed: the pipeline returns its own error.
        let _ = sources.iter().try_for_each(|source| source.read(&mut feed));
        feed.into_tally()
    };
    let bytes = |found: &SourceEvent| match found {
        SourceEvent::Item(item) => item.bytes(),
        SourceEvent::Broken { .. } => 0,
    };
    let most_bytes = settings.image_limits.max_bytes;
    let mut failed = 0;
    let mut rows = Vec::new();
    let take = |result| {
        match result {
            EmbedResult::Row(row) => rows.push(row),
            EmbedResult::Broken { id, kind, reason } => {
                failed += 1;
                progress.suspend(|| message!("skipped {id}: {reason}"));
                output.report(&id, kind, &reason)?;
            }
            EmbedResult::Engine(error) => {
                return Err(error).context("the engine failed; run the command again to continue");
            }
            EmbedResult::StoreFailed(reason) => {
                output.write(&mut rows)?;
                bail!(reason);
            }
        }
        progress.inc(1);
        if rows.len() >= ROWS_IN_A_PART {
            output.write(&mut rows)?;
        }
        Ok(())
    };
    let work = |found| embed_event(model, found, most_bytes);
    let read = pipeline::run(pipeline::at_a_time(settings), read, bytes, work, take).await;
    // Rows that were embedded before an error are stored.
    output.write(&mut rows)?;
    let left_out = read?;
    if let Some(fault) = faults.first() {
        bail!("{fault}");
    }
    Ok(RunSummary { failed, left_out })
}

/// The result for one thing that a source found.
enum EmbedResult {
    Row(Row),
    Broken {
        id: String,
        kind: &'static str,
        reason: String,
    },
    Engine(EngineError),
    /// A store did not deliver an item, so nothing is known about the item itself.
    StoreFailed(String),
}

async fn embed_event(model: &Model, found: SourceEvent, most_bytes: usize) -> EmbedResult {
    let item = match found {
        SourceEvent::Item(item) => item,
        SourceEvent::Broken { id, kind, reason } => {
            return EmbedResult::Broken { id, kind, reason };
        }
    };
    let (kind, Item { id, content }) = (item.kind(), item);
    let text = match &content {
        Content::Text(text) => Some(text.clone()),
        Content::Blob(_) | Content::Image(_) => None,
    };
    match embed(model, content, most_bytes).await {
        Ok(embedding) => EmbedResult::Row(Row {
            id,
            kind,
            text,
            embedding,
        }),
        Err(Failure::Item(reason)) => EmbedResult::Broken {
            id,
            kind: kind.name(),
            reason,
        },
        Err(Failure::Engine(error)) => EmbedResult::Engine(error),
        Err(Failure::Store(reason)) => EmbedResult::StoreFailed(reason),
    }
}

enum Failure {
    Item(String),
    Store(String),
    Engine(EngineError),
}

async fn embed(model: &Model, content: Content, most_bytes: usize) -> Result<Embedding, Failure> {
    let item = match content {
        Content::Blob(blob) => {
            let bytes = fetch(&blob, most_bytes).await?;
            engine::Item::Image(ImageSource::Bytes(bytes))
        }
        Content::Image(bytes) => engine::Item::Image(ImageSource::Bytes(bytes)),
        Content::Text(text) => engine::Item::Text(text),
    };
    match pipeline::embed(model, item, Lane::Bulk).await {
        Ok(Ok(encoding)) => Ok(encoding.embedding),
        Ok(Err(reason)) => Err(Failure::Item(reason)),
        Err(error) => Err(Failure::Engine(error)),
    }
}

async fn fetch(blob: &Blob, most_bytes: usize) -> Result<Bytes, Failure> {
    // Checks the size first, so that a video among the pictures is refused without being read.
    let bytes = usize::try_from(blob.size).unwrap_or(usize::MAX);
    if bytes > most_bytes {
        let limit = most_bytes;
        let error = ImageError::TooManyBytes { bytes, limit };
        return Err(Failure::Item(error.to_string()));
    }
    blob.fetch().await.map_err(|reason| match blob.is_remote() {
        true => Failure::Store(reason),
        false => Failure::Item(reason),
    })
}
