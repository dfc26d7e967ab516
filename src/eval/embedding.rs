//! Embeds the images and texts of a benchmark with the engine, many at a time, in the bulk lane, as `clip-in embed` does.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::Arc;

use anyhow::Context;
use bytes::Bytes;
use futures_util::StreamExt;
use indicatif::ProgressBar;
use sha2::{Digest, Sha256};

use super::broken::Broken;
use super::pictures::Pictures;
use super::texts::Texts;
use crate::dataset::pipeline::{self, at_a_time};
use crate::engine::{
    Embedding, Encoding, EngineError, EngineSettings, ImageSource, Item, Lane, Model,
};

/// A model and the number of items in flight.
pub struct Encoder<'a> {
    pub model: &'a Model,
    pub settings: &'a EngineSettings,
    pub progress: &'a ProgressBar,
}

/// Embeddings of all images.
pub struct Images {
    pub embeddings: Vec<Option<Embedding>>,
    pub broken: Vec<Broken>,
    /// sha256 of every image file; zeros if it could not be read.
    pub digests: Vec<[u8; 32]>,
}

/// Embeddings of all texts.
pub struct EmbeddedTexts {
    pub embeddings: Vec<Option<Embedding>>,
    pub broken: Vec<Broken>,
    /// Number of texts that lost tokens.
    pub truncated: usize,
}

/// An event from the reader.
enum Read {
    Image {
        index: usize,
        place: String,
        bytes: Bytes,
        digest: [u8; 32],
    },
    /// The same file as a previous one.
    Repeated {
        index: usize,
        place: String,
        first: usize,
        digest: [u8; 32],
    },
    Broken(Broken),
}

/// The result for it.
enum Done {
    Embedded(usize, [u8; 32], Result<Encoding, Broken>),
    Repeated(usize, [u8; 32], usize, String),
    Broken(Broken),
}

impl Encoder<'_> {
    /// Embeds all images. Only the images in flight are in memory.
    ///
    /// # Errors
    /// If the engine fails.
    pub async fn images(&self, pictures: Arc<Pictures>) -> anyhow::Result<Images> {
        let count = pictures.len();
        let mut embeddings: Vec<Option<Embedding>> = vec![None; count];
        let mut digests = vec![[0; 32]; count];
        let mut broken = Vec::new();
        let most_bytes = self.settings.image_limits.max_bytes;
        let read = move |sender: pipeline::Sender<Read>| read(&pictures, most_bytes, &sender);
        let bytes = |read: &Read| match read {
            Read::Image { bytes, .. } => bytes.len() as u64,
            Read::Repeated { .. } | Read::Broken(_) => 0,
        };
        let work = async |read| {
            Ok::<_, EngineError>(match read {
                Read::Image {
                    index,
                    place,
                    bytes,
                    digest,
                } => {
                    let item = Item::Image(ImageSource::Bytes(bytes));
                    let encoding = pipeline::embed(self.model, item, Lane::Bulk).await?;
                    let encoding = encoding.map_err(|reason| Broken::new(place, reason));
                    Done::Embedded(index, digest, encoding)
                }
                Read::Repeated {
                    index,
                    place,
                    first,
                    digest,
                } => Done::Repeated(index, digest, first, place),
                Read::Broken(fault) => Done::Broken(fault),
            })
        };
        let take = |done: Result<Done, EngineError>| {
            let (index, digest, embedding) = match done.context("the engine failed")? {
                Done::Embedded(index, digest, Ok(encoding)) => {
                    (index, digest, Some(encoding.embedding))
                }
                Done::Embedded(index, digest, Err(fault)) => {
                    broken.push(fault);
                    (index, digest, None)
                }
                // The first occurrence came earlier.
                Done::Repeated(index, digest, first, place) => {
                    let embedding = embeddings.get(first).cloned().flatten();
                    if embedding.is_none() {
                        let reason = "is the same file as another broken one";
                        broken.push(Broken::new(place, reason));
                    }
                    (index, digest, embedding)
                }
                Done::Broken(fault) => {
                    broken.push(fault);
                    self.progress.inc(1);
                    return Ok(());
                }
            };
            if let (Some(slot), Some(of_file)) = (embeddings.get_mut(index), digests.get_mut(index))
            {
                (*slot, *of_file) = (embedding, digest);
            }
            self.progress.inc(1);
            Ok(())
        };
        pipeline::run(at_a_time(self.settings), read, bytes, work, take).await?;
        // Sorted as people look for them.
        broken.sort();
        Ok(Images {
            embeddings,
            broken,
            digests,
        })
    }

    /// Embeds all texts, each truncated to the model's context.
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
            pipeline::embed(self.model, item, Lane::Bulk)
                .await
                .map(|found| (index, found))
        });
        let mut found = work.buffer_unordered(at_a_time(self.settings));
        let mut broken = Vec::new();
        while let Some(item) = found.next().await {
            match item.context("the engine failed")? {
                (index, Ok(encoding)) => {
                    result.truncated += usize::from(encoding.tokens.truncated > 0);
                    if let Some(slot) = result.embeddings.get_mut(index) {
                        *slot = Some(encoding.embedding);
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
}

/// Reads all images and computes their fingerprints. A repeated file has one embedding: in two batches the last digit might
/// differ, and a tie would be missed.
fn read(pictures: &Pictures, most_bytes: usize, sender: &pipeline::Sender<Read>) {
    let mut first_of: HashMap<[u8; 32], usize> = HashMap::new();
    // Closed: the pipeline returns its own error.
    let _ = pictures.read(most_bytes, &mut |found| {
        let found = found.and_then(|read| match read.bytes {
            Ok(bytes) => Ok((read.index, read.place, bytes)),
            Err(reason) => Err(Broken::new(read.place, reason)),
        });
        let (index, place, bytes) = match found {
            Ok(found) => found,
            Err(fault) => return sender.send(Read::Broken(fault)),
        };
        let digest = Sha256::digest(&bytes).into();
        sender.send(match first_of.entry(digest) {
            Entry::Vacant(entry) => {
                entry.insert(index);
                Read::Image {
                    index,
                    place,
                    bytes,
                    digest,
                }
            }
            Entry::Occupied(entry) => Read::Repeated {
                index,
                place,
                first: *entry.get(),
                digest,
            },
        })
    });
}
