//! Embeds one request: cached items are taken from the cache; the others are prepared, queued and awaited.

use std::time::Instant;

use tokio::sync::oneshot;

use super::backlog::Demand;
use super::embedding_cache::{Cached, EmbeddingCache, ImageDigest};
use super::error::{EmbedError, EngineError, ItemError};
use super::job::{Embedding, Encoded, Job};
use super::model::Model;
use super::prepare::Known;
use super::request::{EmbedOptions, Embedded, EmbeddedEach, Item};
use crate::telemetry::stages::{self, Stage};

/// The effect of an invalid item on the others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum BadItem {
    RefusesAll,
    StandsAlone,
}

/// An item that is not in the text cache.
struct Missing {
    index: usize,
    /// The key for storing its embedding.
    text: Option<String>,
}

/// An item in progress, and its result if it is known already.
struct Pending {
    answer: Answer,
    digest: Option<ImageDigest>,
    tokens: usize,
    truncated: usize,
    in_low_bits: bool,
}

enum Answer {
    Known(Embedding),
    Reply(oneshot::Receiver<Result<Encoded, EngineError>>),
}

impl Model {
    /// Whether the queue would accept this many images now. Check this before fetching images, so that nothing expensive is
    /// fetched for a request that will be refused.
    ///
    /// # Errors
    /// [`EngineError`], as from [`Model::embed`].
    pub fn admits(&self, images: usize, options: EmbedOptions) -> Result<(), EngineError> {
        let demand = Demand { images, texts: 0 };
        let places = self.queue().reserve(demand, options.lane, options.deadline);
        places.map(drop)
    }

    /// Embeds items, all or none: nothing is run if one of them is invalid.
    ///
    /// # Errors
    /// The first invalid item by its index, or the error of the engine. A request ends when its deadline passes; its waiting
    /// items are never run.
    pub async fn embed(
        &self,
        items: Vec<Item>,
        options: EmbedOptions,
    ) -> Result<Embedded, EmbedError> {
        let each = self.bounded(items, options, BadItem::RefusesAll).await?;
        let embeddings = each.embeddings.into_iter().enumerate();
        let embeddings = embeddings
            .map(|(index, embedding)| embedding.map_err(|error| EmbedError::Item { index, error }));
        Ok(Embedded {
            embeddings: embeddings.collect::<Result<_, _>>()?,
            tokens: each.tokens,
            truncated: each.truncated,
            in_low_bits: each.in_low_bits,
        })
    }

    /// Embeds what can be embedded: an invalid item has its error in its place, and the others are run.
    ///
    /// # Errors
    /// The error of the engine, as from [`Model::embed`].
    pub async fn embed_each(
        &self,
        items: Vec<Item>,
        options: EmbedOptions,
    ) -> Result<EmbeddedEach, EmbedError> {
        self.bounded(items, options, BadItem::StandsAlone).await
    }

    async fn bounded(
        &self,
        items: Vec<Item>,
        options: EmbedOptions,
        bad_item: BadItem,
    ) -> Result<EmbeddedEach, EmbedError> {
        let started = Instant::now();
        let work = self.embed_unbounded(items, options, bad_item);
        let result = match options.deadline {
            Some(deadline) => tokio::time::timeout_at(deadline.into(), work)
                .await
                .unwrap_or_else(|_| Err(EngineError::DeadlineExceeded.into())),
            None => work.await,
        };
        let statistics = self.statistics();
        match &result {
            Ok(_) => statistics.success.note(started.elapsed()),
            Err(_) => statistics.fail.note(started.elapsed()),
        }
        result
    }

    async fn embed_unbounded(
        &self,
        items: Vec<Item>,
        options: EmbedOptions,
        bad_item: BadItem,
    ) -> Result<EmbeddedEach, EmbedError> {
        let mut answer = EmbeddedEach::default();
        let mut found: Vec<Option<Result<Embedding, ItemError>>> = Vec::with_capacity(items.len());
        let (mut missing, mut unknown) = (Vec::new(), Vec::new());
        for (index, item) in items.into_iter().enumerate() {
            let cached = self
                .text_cache()
                .and_then(|cache| lookup(cache, &item, options.truncate));
            if let Some(cached) = &cached {
                answer.tokens += cached.tokens;
                answer.truncated += cached.truncated;
                self.statistics().note_cached();
            } else {
                let text = match &item {
                    Item::Text(text) if self.text_cache().is_some() => Some(text.clone()),
                    _ => None,
                };
                missing.push(Missing { index, text });
                unknown.push(item);
            }
            found.push(cached.map(|cached| Ok(cached.embedding)));
        }
        let pending = self.submit(unknown, &missing, options, bad_item).await?;
        for (pending, missing) in pending.into_iter().zip(missing) {
            let pending = match pending {
                Ok(pending) => pending,
                Err(error) => {
                    if let Some(slot) = found.get_mut(missing.index) {
                        *slot = Some(Err(error));
                    }
                    continue;
                }
            };
            let (embedding, known) = match pending.answer {
                Answer::Known(embedding) => {
                    self.statistics().note_cached();
                    (embedding, true)
                }
                Answer::Reply(reply) => {
                    // A reply that was dropped without an answer belonged to a worker that died.
                    let encoded = reply.await.map_err(|_| EngineError::Dead)??;
                    stages::note(Stage::Queue, encoded.queued);
                    stages::note(Stage::Inference, encoded.inference);
                    self.statistics().queue.note(encoded.queued);
                    self.statistics().inference.note(encoded.inference);
                    (encoded.embedding, false)
                }
            };
            let cached = Cached {
                embedding,
                tokens: pending.tokens,
                truncated: pending.truncated,
                in_low_bits: pending.in_low_bits,
            };
            answer.tokens += cached.tokens;
            answer.truncated += cached.truncated;
            if cached.in_low_bits {
                answer.in_low_bits.push(missing.index);
            }
            if let Some(slot) = found.get_mut(missing.index) {
                *slot = Some(Ok(cached.embedding.clone()));
            }
            if let (Some(text), Some(cache)) = (missing.text, self.text_cache()) {
                cache.insert(text, cached);
            } else if let (Some(digest), Some(cache), false) =
                (pending.digest, self.image_cache(), known)
            {
                cache.insert(digest, cached);
            }
        }
        answer.embeddings = found.into_iter().flatten().collect();
        stages::note_embedded();
        Ok(answer)
    }

    /// Prepares items and queues together those that no cache has. With [`BadItem::RefusesAll`] nothing is queued if one is
    /// invalid.
    async fn submit(
        &self,
        items: Vec<Item>,
        missing: &[Missing],
        options: EmbedOptions,
        bad_item: BadItem,
    ) -> Result<Vec<Result<Pending, ItemError>>, EmbedError> {
        if items.is_empty() {
            return Ok(Vec::new());
        }
        // Before anything is decoded: an overloaded server must not spend work on requests that it will refuse.
        let images = items.iter().filter(|i| i.is_image()).count();
        let texts = items.len() - images;
        let demand = Demand { images, texts };
        let places = self
            .queue()
            .reserve(demand, options.lane, options.deadline)?;
        let started = Instant::now();
        let prepared = self.prepare(items, options).await?;
        stages::note(Stage::Prepare, started.elapsed());
        self.statistics().prepare.note(started.elapsed());
        let mut jobs = Vec::with_capacity(prepared.len());
        let mut pending = Vec::with_capacity(prepared.len());
        let enqueued = Instant::now();
        for (item, missing) in prepared.into_iter().zip(missing) {
            let item = match (item, bad_item) {
                (Ok(item), _) => item,
                (Err(error), BadItem::StandsAlone) => {
                    pending.push(Err(error));
                    continue;
                }
                (Err(error), BadItem::RefusesAll) => {
                    let index = missing.index;
                    return Err(EmbedError::Item { index, error });
                }
            };
            let answer = match item.input {
                Known::Embedding(embedding) => Answer::Known(embedding),
                Known::Input(input) => {
                    let (reply, receiver) = oneshot::channel();
                    jobs.push(Job {
                        input,
                        deadline: options.deadline,
                        enqueued,
                        reply,
                        span: tracing::Span::current(),
                    });
                    Answer::Reply(receiver)
                }
            };
            pending.push(Ok(Pending {
                answer,
                digest: item.digest,
                tokens: item.tokens,
                truncated: item.truncated,
                in_low_bits: item.in_low_bits,
            }));
        }
        if !jobs.is_empty() {
            self.queue().push(jobs, places)?;
        }
        Ok(pending)
    }
}

/// The cached embedding of an item. A text that would be truncated is not a hit for a request that refuses truncation.
fn lookup(cache: &EmbeddingCache<String>, item: &Item, truncate: bool) -> Option<Cached> {
    match item {
        Item::Text(text) => cache
            .get(text.as_str())
            .filter(|cached| truncate || cached.truncated == 0),
        _ => None,
    }
}
