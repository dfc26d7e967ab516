//! Images and texts of a benchmark through the engine, many at a time, in the bulk lane, as `clip-in embed` sends them.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::Arc;

use anyhow::Context;
use bytes::Bytes;
use futures_util::StreamExt;
use indicatif::ProgressBar;
use sha2::{Digest, Sha256};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};

use super::pictures::Pictures;
use super::report::Broken;
use super::rows::Stop;
use super::texts::Texts;
use crate::cli::embed::flow::{KIB_A_CORE, at_a_time};
use crate::engine::{
    EmbedError, EmbedOptions, Embedded, Embedding, EngineError, EngineSettings, ImageSource, Item,
    Lane, Model,
};

/// Images that are read before there is work for them.
const READ_AHEAD: usize = 8;

/// A model and how to fill it.
pub struct Encoder<'a> {
    pub model: &'a Model,
    pub settings: &'a EngineSettings,
    pub progress: &'a ProgressBar,
}

/// Embeddings of all images.
pub struct Images {
    pub embeddings: Vec<Option<Embedding>>,
    pub broken: Vec<Broken>,
    /// sha256 of every image's file; zeros where it could not be read.
    pub digests: Vec<[u8; 32]>,
}

/// Embeddings of all texts.
pub struct EmbeddedTexts {
    pub embeddings: Vec<Option<Embedding>>,
    pub broken: Vec<Broken>,
    /// Texts that lost tokens.
    pub truncated: usize,
}

/// An image on its way, with its room in memory.
struct Waiting {
    index: usize,
    place: String,
    bytes: Bytes,
    _room: Option<OwnedSemaphorePermit>,
}

/// What the reader met.
enum Met {
    Image(usize, String, Bytes, [u8; 32]),
    Broken(Broken),
}

impl Encoder<'_> {
    /// Embeds all images. In memory are those that are being embedded.
    ///
    /// # Errors
    /// If the engine fails.
    pub async fn images(&self, pictures: Arc<Pictures>) -> anyhow::Result<Images> {
        let count = pictures.len();
        let mut embeddings: Vec<Option<Embedding>> = vec![None; count];
        let mut digests = vec![[0; 32]; count];
        let mut broken = Vec::new();
        let (sender, mut receiver) = mpsc::channel(READ_AHEAD);
        let most_bytes = self.settings.image_limits.max_bytes;
        let reader = std::thread::Builder::new()
            .name("read".to_owned())
            .spawn(move || read(&pictures, most_bytes, &sender))
            .context("cannot start a thread")?;
        let most = KIB_A_CORE.saturating_mul(u32::try_from(num_cpus::get()).unwrap_or(1));
        let memory = Arc::new(Semaphore::new(most as usize));
        let keep = &mut digests;
        // The same file twice has one embedding: computed in two batches it might differ in the last digit, and a tie would be none.
        let mut first_of: HashMap<[u8; 32], usize> = HashMap::new();
        let mut again: Vec<(usize, String, usize)> = Vec::new();
        let repeated = &mut again;
        let found = futures_util::stream::poll_fn(move |context| receiver.poll_recv(context))
            .filter_map(|met| {
                std::future::ready(match met {
                    Met::Image(index, place, bytes, digest) => {
                        if let Some(slot) = keep.get_mut(index) {
                            *slot = digest;
                        }
                        match first_of.entry(digest) {
                            Entry::Vacant(entry) => {
                                entry.insert(index);
                                Some(Ok((index, place, bytes)))
                            }
                            Entry::Occupied(entry) => {
                                repeated.push((index, place, *entry.get()));
                                None
                            }
                        }
                    }
                    Met::Broken(fault) => Some(Err(fault)),
                })
            })
            // One after the other and before the crowd: so an item never waits for memory that a later one has.
            .then(|found| {
                let memory = memory.clone();
                async move {
                    let (index, place, bytes) = found?;
                    let kib = u32::try_from(bytes.len().div_ceil(1024)).unwrap_or(most);
                    Ok(Waiting {
                        index,
                        place,
                        bytes,
                        // It is never closed.
                        _room: memory.acquire_many_owned(kib.min(most)).await.ok(),
                    })
                }
            })
            .map(|waiting: Result<Waiting, Broken>| async move {
                let Waiting {
                    index,
                    place,
                    bytes,
                    _room,
                } = match waiting {
                    Ok(waiting) => waiting,
                    Err(fault) => return Ok(Err(fault)),
                };
                let item = Item::Image(ImageSource::Bytes(bytes));
                let embedded = self.embed(item, Lane::Bulk).await?;
                Ok(match embedded {
                    Ok(embedded) => Ok((index, embedded)),
                    Err(reason) => Err(Broken::new(place, reason)),
                })
            })
            .buffer_unordered(at_a_time(self.settings));
        let mut found = Box::pin(found);
        while let Some(result) = found.next().await {
            let result: Result<_, EngineError> = result;
            match result.context("the engine failed")? {
                Ok((index, embedded)) => {
                    if let Some(slot) = embeddings.get_mut(index) {
                        *slot = embedded.embeddings.into_iter().next();
                    }
                }
                Err(fault) => broken.push(fault),
            }
            self.progress.inc(1);
        }
        drop(found);
        // The stream has ended: the reader has, too.
        if reader.join().is_err() {
            broken.push(Broken::new("images", "the reader broke off"));
        }
        for (index, place, first) in again {
            let embedding = embeddings.get(first).cloned().flatten();
            if embedding.is_none() {
                broken.push(Broken::new(
                    place,
                    "is the same file as another that is broken",
                ));
            }
            if let Some(slot) = embeddings.get_mut(index) {
                *slot = embedding;
            }
        }
        // In an order that is always the same, whatever was ready first.
        broken.sort();
        Ok(Images {
            embeddings,
            broken,
            digests,
        })
    }

    /// Embeds all texts, each cut to the model's context.
    ///
    /// # Errors
    /// If the engine fails.
    pub async fn texts(&self, texts: &Texts) -> anyhow::Result<EmbeddedTexts> {
        let items = texts.all().iter().map(|text| Item::Text(text.clone()));
        self.text_items(items, |index| texts.place(index).to_owned())
            .await
    }

    /// Embeds texts, or their tokens.
    ///
    /// # Errors
    /// If the engine fails.
    pub async fn text_items(
        &self,
        items: impl ExactSizeIterator<Item = Item>,
        place: impl Fn(usize) -> String,
    ) -> anyhow::Result<EmbeddedTexts> {
        let mut result = EmbeddedTexts {
            embeddings: vec![None; items.len()],
            broken: Vec::new(),
            truncated: 0,
        };
        let work = futures_util::stream::iter(items.enumerate()).map(|(index, item)| async move {
            self.embed(item, Lane::Bulk)
                .await
                .map(|found| (index, found))
        });
        let mut found = work.buffer_unordered(at_a_time(self.settings));
        let mut broken = Vec::new();
        while let Some(item) = found.next().await {
            match item.context("the engine failed")? {
                (index, Ok(embedded)) => {
                    result.truncated += usize::from(embedded.truncated > 0);
                    if let Some(slot) = result.embeddings.get_mut(index) {
                        *slot = embedded.embeddings.into_iter().next();
                    }
                }
                (index, Err(reason)) => broken.push((index, reason)),
            }
            self.progress.inc(1);
        }
        broken.sort_unstable();
        let broken = broken.into_iter();
        result.broken = broken
            .map(|(index, reason)| Broken::new(place(index), reason))
            .collect();
        Ok(result)
    }

    /// Embeds one item: the inner error is the item's own fault.
    ///
    /// # Errors
    /// If the engine fails.
    pub async fn embed(
        &self,
        item: Item,
        lane: Lane,
    ) -> Result<Result<Embedded, String>, EngineError> {
        let options = EmbedOptions {
            lane,
            ..EmbedOptions::default()
        };
        match self.model.embed(vec![item], options).await {
            Ok(embedded) => Ok(Ok(embedded)),
            Err(EmbedError::Item { error, .. }) => Ok(Err(error.to_string())),
            // What breaks inference would break it at the next start, too.
            Err(EmbedError::Engine(EngineError::Inference(reason))) => Ok(Err(reason)),
            Err(EmbedError::Engine(error)) => Err(error),
        }
    }
}

/// Reads all images, and fingerprints them on the way.
fn read(pictures: &Pictures, most_bytes: usize, sender: &mpsc::Sender<Met>) {
    // Stopped: the taker has an error of its own to tell of.
    let _ = pictures.read(most_bytes, &mut |found| {
        let met = match found {
            Ok(read) => match read.bytes {
                Ok(bytes) => {
                    let digest = Sha256::digest(&bytes).into();
                    Met::Image(read.index, read.place, bytes, digest)
                }
                Err(reason) => Met::Broken(Broken::new(read.place, reason)),
            },
            Err(fault) => Met::Broken(fault),
        };
        sender.blocking_send(met).map_err(|_| Stop)
    });
}
