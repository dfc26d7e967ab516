//! From sources to the output: a thread reads ahead a little, many items are embedded at a time, and results are written
//! in the order in which the items were read.

use std::sync::Arc;

use anyhow::{Context, bail};
use bytes::Bytes;
use futures_util::StreamExt;
use indicatif::ProgressBar;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};

use super::item::{Content, Item};
use super::met::Met;
use super::output::{Output, Row};
use super::shard::Share;
use super::sources::{Feed, Found, Source, Tally};
use super::store::{Blob, Faults};
use crate::engine::{
    EmbedError, EmbedOptions, Embedding, EngineError, EngineSettings, ImageSource, Lane, Model,
};
use crate::preprocess::ImageError;

/// Rows in a part file: what is lost at most when the process is killed.
const ROWS_IN_A_PART: usize = 512;
/// Items that are read before there is work for them.
const READ_AHEAD: usize = 8;
/// Encoded images that are being embedded, together, for each core: several photographs. One that is larger than all of it
/// is embedded alone.
pub const KIB_A_CORE: u32 = 32 << 10;

/// What became of everything.
#[derive(Debug, Clone)]
pub struct Outcome {
    /// Items that could not be embedded.
    pub failed: usize,
    /// What was left out.
    pub left_out: Tally,
}

/// How many items are embedded at a time: enough to fill a batch on every worker while as much is being decoded.
pub fn at_a_time(settings: &EngineSettings) -> usize {
    let batch = settings.batching.images.max(settings.batching.texts);
    4 * num_cpus::get() * batch
}

/// What there is to read, and what of it is wanted.
pub struct Work {
    pub sources: Vec<Box<dyn Source>>,
    /// Of earlier runs.
    pub met: Met,
    /// None is everything.
    pub share: Option<Share>,
    /// Of the stores that the sources read from.
    pub faults: Faults,
}

/// Embeds everything that is not in the output yet, in order.
///
/// # Errors
/// If the engine or an object store fails, or the output cannot be written.
pub async fn embed_all(
    model: &Arc<Model>,
    work: Work,
    settings: &EngineSettings,
    output: &mut Output,
    progress: &ProgressBar,
) -> anyhow::Result<Outcome> {
    let (sender, mut receiver) = mpsc::channel(READ_AHEAD);
    let Work {
        sources,
        met,
        share,
        faults,
    } = work;
    let alone = sources.len() == 1;
    let mut feed = Feed::new(met, share, alone, faults.clone(), sender, progress.clone());
    let reader = std::thread::Builder::new()
        .name("read".to_owned())
        .spawn(move || {
            // Closed: the receiver has an error of its own to tell of.
            let _ = sources.iter().try_for_each(|source| source.read(&mut feed));
            feed.into_tally()
        })
        .context("cannot start a thread")?;
    let kib_at_a_time = KIB_A_CORE.saturating_mul(u32::try_from(num_cpus::get()).unwrap_or(1));
    let memory = Arc::new(Semaphore::new(kib_at_a_time as usize));
    let most_bytes = settings.image_limits.max_bytes;
    let found = futures_util::stream::poll_fn(move |context| receiver.poll_recv(context));
    let results = found
        // One after the other and before the crowd: so an item never waits for memory that a later one has.
        .then(|found| {
            let memory = memory.clone();
            async move {
                let room = room_for(&found, memory, kib_at_a_time).await;
                (found, room)
            }
        })
        .map(|(found, room)| async move {
            let result = settle(model, found, most_bytes).await;
            drop(room);
            result
        })
        .buffered(at_a_time(settings));
    let mut results = std::pin::pin!(results);
    let mut failed = 0;
    let mut rows = Vec::new();
    while let Some(result) = results.next().await {
        match result {
            Settled::Row(row) => rows.push(row),
            Settled::Broken { id, kind, reason } => {
                failed += 1;
                progress.suspend(|| eprintln!("skipped {id}: {reason}"));
                output.report(&id, kind, &reason)?;
            }
            Settled::Engine(error) => {
                return Err(error).context("the engine failed; start again to go on from here");
            }
            Settled::Unread(reason) => {
                output.write(&mut rows)?;
                bail!(reason);
            }
        }
        progress.inc(1);
        if rows.len() >= ROWS_IN_A_PART {
            output.write(&mut rows)?;
        }
    }
    output.write(&mut rows)?;
    let Ok(left_out) = reader.join() else {
        bail!("an input broke the reader; what came before it is kept");
    };
    if let Some(fault) = faults.first() {
        bail!("{fault}");
    }
    Ok(Outcome { failed, left_out })
}

/// What became of one thing that a source found.
enum Settled {
    Row(Row),
    Broken {
        id: String,
        kind: &'static str,
        reason: String,
    },
    Engine(EngineError),
    /// A store did not hand out an item: nothing is known of the item itself.
    Unread(String),
}

/// Waits until there is memory for an item.
async fn room_for(
    found: &Found,
    memory: Arc<Semaphore>,
    most: u32,
) -> Option<OwnedSemaphorePermit> {
    let Found::Item(item) = found else {
        return None;
    };
    let kib = u32::try_from(item.bytes().div_ceil(1024)).unwrap_or(most);
    let room = memory.acquire_many_owned(kib.min(most)).await;
    // It is never closed.
    room.ok()
}

async fn settle(model: &Model, found: Found, most_bytes: usize) -> Settled {
    let item = match found {
        Found::Item(item) => item,
        Found::Broken { id, kind, reason } => return Settled::Broken { id, kind, reason },
    };
    let (kind, Item { id, content }) = (item.kind(), item);
    let text = match &content {
        Content::Text(text) => Some(text.clone()),
        Content::Blob(_) | Content::Image(_) => None,
    };
    match embed(model, content, most_bytes).await {
        Ok(embedding) => Settled::Row(Row {
            id,
            kind,
            text,
            embedding,
        }),
        Err(Failure::Item(reason)) => Settled::Broken {
            id,
            kind: kind.name(),
            reason,
        },
        Err(Failure::Engine(error)) => Settled::Engine(error),
        Err(Failure::Store(reason)) => Settled::Unread(reason),
    }
}

enum Failure {
    Item(String),
    Store(String),
    Engine(EngineError),
}

async fn embed(model: &Model, content: Content, most_bytes: usize) -> Result<Embedding, Failure> {
    use crate::engine::Item;

    let item = match content {
        Content::Blob(blob) => {
            let bytes = fetch(&blob, most_bytes).await?;
            Item::Image(ImageSource::Bytes(bytes))
        }
        Content::Image(bytes) => Item::Image(ImageSource::Bytes(bytes)),
        Content::Text(text) => Item::Text(text),
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

async fn fetch(blob: &Blob, most_bytes: usize) -> Result<Bytes, Failure> {
    // A film among the pictures must not be read to be refused.
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
