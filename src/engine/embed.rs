//! Embeds one request: cached items are taken from the cache; the others are prepared, queued and awaited.

use std::time::Instant;

use tokio::sync::oneshot;

use super::backlog::Demand;
use super::caches::CacheKey;
use super::error::{EmbedError, EngineError, ItemError};
use super::job::{EncoderResult, Input, Job};
use super::model::Model;
use super::prepare::Prepared;
use super::request::{EmbedOptions, Encoding, Item, Patches};
use crate::telemetry::stages::{self, Stage};
use crate::tokenize::TokenCount;

/// The effect of an invalid item on the others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum BadItem {
    RefusesAll,
    StandsAlone,
}

/// An item on its way to its encoding.
enum Answer {
    Cached(Encoding),
    Pending(Pending),
}

/// An item that waits for its encoder.
struct Pending {
    reply: oneshot::Receiver<Result<EncoderResult, EngineError>>,
    tokens: TokenCount,
    in_low_bits: bool,
    key: CacheKey,
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
    ) -> Result<Vec<Encoding>, EmbedError> {
        let each = self.bounded(items, options, BadItem::RefusesAll).await?;
        let each = each.into_iter().enumerate();
        each.map(|(index, found)| found.map_err(|error| EmbedError::Item { index, error }))
            .collect()
    }

    /// Embeds what can be embedded: an invalid item has its error in its place, and the others are run.
    ///
    /// # Errors
    /// The error of the engine, as from [`Model::embed`].
    pub async fn embed_each(
        &self,
        items: Vec<Item>,
        options: EmbedOptions,
    ) -> Result<Vec<Result<Encoding, ItemError>>, EmbedError> {
        self.bounded(items, options, BadItem::StandsAlone).await
    }

    async fn bounded(
        &self,
        items: Vec<Item>,
        options: EmbedOptions,
        bad_item: BadItem,
    ) -> Result<Vec<Result<Encoding, ItemError>>, EmbedError> {
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
    ) -> Result<Vec<Result<Encoding, ItemError>>, EmbedError> {
        let mut answers = Vec::with_capacity(items.len());
        let mut missing = Vec::new();
        for (index, item) in items.into_iter().enumerate() {
            let cached = self.caches().text(&item, options.truncate);
            if cached.is_none() {
                missing.push((index, item));
            }
            answers.push(cached.map(|encoding| Ok(Answer::Cached(encoding))));
        }
        for (index, answer) in self.submit(missing, options, bad_item).await? {
            if let Some(slot) = answers.get_mut(index) {
                *slot = Some(answer);
            }
        }
        let mut encodings = Vec::with_capacity(answers.len());
        for answer in answers.into_iter().flatten() {
            encodings.push(match answer {
                Ok(Answer::Cached(encoding)) => {
                    self.statistics().note_cached();
                    Ok(encoding)
                }
                Ok(Answer::Pending(pending)) => Ok(self.finish(pending).await?),
                Err(error) => Err(error),
            });
        }
        stages::note_embedded();
        Ok(encodings)
    }

    /// Waits for an item's encoder, and stores the encoding.
    async fn finish(&self, pending: Pending) -> Result<Encoding, EngineError> {
        // A reply that was dropped without an answer belonged to a worker that died.
        let result = pending.reply.await.map_err(|_| EngineError::Dead)??;
        stages::note(Stage::Queue, result.queued);
        stages::note(Stage::Inference, result.inference);
        self.statistics().queue.note(result.queued);
        self.statistics().inference.note(result.inference);
        let grid = self.manifest().image.patches().map(|(_, grid)| grid);
        let patches = result.encoded.patches.zip(grid);
        let encoding = Encoding {
            embedding: result.encoded.embedding,
            patches: patches.map(|(vectors, [rows, columns])| Patches {
                vectors,
                rows,
                columns,
            }),
            tokens: pending.tokens,
            in_low_bits: pending.in_low_bits,
        };
        self.caches().insert(pending.key, &encoding);
        Ok(encoding)
    }

    /// Prepares items, each with its index in the request, and queues together those that no cache has. With
    /// [`BadItem::RefusesAll`] nothing is queued if one is invalid.
    async fn submit(
        &self,
        items: Vec<(usize, Item)>,
        options: EmbedOptions,
        bad_item: BadItem,
    ) -> Result<Vec<(usize, Result<Answer, ItemError>)>, EmbedError> {
        if items.is_empty() {
            return Ok(Vec::new());
        }
        let (indices, items): (Vec<usize>, Vec<Item>) = items.into_iter().unzip();
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
        let mut answers = Vec::with_capacity(prepared.len());
        let enqueued = Instant::now();
        for (index, item) in indices.into_iter().zip(prepared) {
            let answer = match item {
                Ok(Prepared::Cached(encoding)) => Ok(Answer::Cached(encoding)),
                Ok(Prepared::Missing(item)) => {
                    let (reply, receiver) = oneshot::channel();
                    // A cache would keep the patches.
                    let is_uncached_image =
                        matches!((&item.input, &item.key), (Input::Image(_), CacheKey::None));
                    jobs.push(Job {
                        rank: 0,
                        patches: options.patches && is_uncached_image,
                        input: item.input,
                        deadline: options.deadline,
                        enqueued,
                        reply,
                        span: tracing::Span::current(),
                    });
                    Ok(Answer::Pending(Pending {
                        reply: receiver,
                        tokens: item.tokens,
                        in_low_bits: item.in_low_bits,
                        key: item.key,
                    }))
                }
                Err(error) if bad_item == BadItem::RefusesAll => {
                    return Err(EmbedError::Item { index, error });
                }
                Err(error) => Err(error),
            };
            answers.push((index, answer));
        }
        if !jobs.is_empty() {
            self.queue().push(jobs, places)?;
        }
        Ok(answers)
    }
}
