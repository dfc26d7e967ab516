//! A model that is loaded, proved and running: the engine's public face.

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Instant;

use tokio::sync::oneshot;

use super::golden::check_golden;
use super::job::{Deadline, Embedding, Job, Lane};
use super::prepare::{Item, ItemError, Preparer};
use super::queue::{BatchLimits, Queue};
use super::{CpuPool, EngineError, Health, worker};
use crate::bundle::{Bundle, BundleError, Manifest, Sample};
use crate::preprocess::Limits;
use crate::runtime::{Encoders, RuntimeError, SessionSettings};
use crate::telemetry::Metrics;

/// How a model is run.
#[derive(Debug, Clone)]
pub struct EngineSettings {
    /// Worker threads, each with sessions of its own.
    pub workers: usize,
    /// Threads inside one session.
    pub threads_per_worker: usize,
    /// Items that may wait for a worker.
    pub queue_capacity: usize,
    /// Most images in a batch.
    pub max_batch_images: usize,
    /// Most texts in a batch.
    pub max_batch_texts: usize,
    /// What an image may be.
    pub image_limits: Limits,
    /// Longest text in bytes.
    pub max_text_bytes: usize,
}

impl Default for EngineSettings {
    fn default() -> Self {
        Self {
            workers: num_cpus::get(),
            threads_per_worker: 1,
            queue_capacity: 1024,
            max_batch_images: 8,
            max_batch_texts: 32,
            image_limits: Limits::default(),
            max_text_bytes: 64 * 1024,
        }
    }
}

/// Why a model cannot be served.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// The bundle is not usable.
    #[error(transparent)]
    Bundle(#[from] BundleError),
    /// ONNX Runtime refused it.
    #[error(transparent)]
    Runtime(#[from] RuntimeError),
    /// There is no variant of that precision.
    #[error("{model} has no {precision} variant; it has: {available}")]
    NoSuchPrecision {
        /// The model.
        model: String,
        /// What was asked for.
        precision: String,
        /// What there is.
        available: String,
    },
    /// A thread could not be started.
    #[error("cannot start a worker: {0}")]
    Thread(#[from] std::io::Error),
}

/// Why a request got no embeddings.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum EmbedError {
    /// One item is to blame.
    #[error("item {index}: {error}")]
    Item {
        /// Position in the request.
        index: usize,
        /// What is wrong with it.
        error: ItemError,
    },
    /// The engine could not do it.
    #[error(transparent)]
    Engine(#[from] EngineError),
}

/// Embeddings of a request, in its order.
#[derive(Debug, Clone)]
pub struct Embedded {
    /// One for each item.
    pub embeddings: Vec<Embedding>,
    /// Tokens that the text encoder read, start and end tokens included.
    pub tokens: usize,
    /// Tokens that did not fit into the context.
    pub truncated: usize,
}

/// Rules of one request.
#[derive(Debug, Clone, Copy)]
pub struct EmbedOptions {
    /// Which queue.
    pub lane: Lane,
    /// When the answer is of no use any more.
    pub deadline: Deadline,
    /// Cut texts that are too long (and say so), or refuse them.
    pub truncate: bool,
}

impl Default for EmbedOptions {
    fn default() -> Self {
        Self {
            lane: Lane::Interactive,
            deadline: None,
            truncate: true,
        }
    }
}

/// A model that answers.
#[derive(Debug)]
pub struct Model {
    bundle: Bundle,
    precision: String,
    samples: Vec<Sample>,
    preparer: Arc<Preparer>,
    pool: CpuPool,
    queue: Arc<Queue>,
    health: Arc<Health>,
    workers: Mutex<Vec<JoinHandle<()>>>,
    loaded: std::time::SystemTime,
}

impl Model {
    /// Opens a bundle, checks it (checksums, golden embeddings on every worker's sessions) and starts its workers.
    ///
    /// # Errors
    /// [`LoadError`], which names the file and what is wrong with it.
    pub fn load(
        path: &Path,
        precision: &str,
        settings: &EngineSettings,
        pool: CpuPool,
        metrics: Arc<Metrics>,
    ) -> Result<Arc<Self>, LoadError> {
        let bundle = Bundle::open(path)?;
        let variant = bundle
            .variant(precision)
            .ok_or_else(|| LoadError::NoSuchPrecision {
                model: bundle.manifest.name.clone(),
                precision: precision.to_owned(),
                available: bundle
                    .manifest
                    .variants
                    .iter()
                    .map(|v| v.precision.as_str())
                    .collect::<Vec<_>>()
                    .join(", "),
            })?;
        let preparer = Arc::new(Preparer::new(&bundle, settings, metrics.clone())?);
        let limits = BatchLimits {
            images: settings.max_batch_images,
            texts: settings.max_batch_texts,
        };
        let queue = Arc::new(Queue::new(settings.queue_capacity, limits, metrics.clone()));
        let health = Arc::new(Health::default());
        let mut workers = Vec::new();
        for i in 0..settings.workers {
            // One after the other: sessions made at the same time fight over memory and cores.
            let threads = SessionSettings {
                threads: settings.threads_per_worker,
            };
            let mut encoders = Encoders::load(&bundle, variant, threads)?;
            check_golden(&bundle, variant, &preparer, &mut encoders)?;
            let name = format!("worker-{i}");
            workers.push(worker::spawn(
                name,
                encoders,
                queue.clone(),
                health.clone(),
                metrics.clone(),
            )?);
        }
        Ok(Arc::new(Self {
            samples: bundle.samples()?,
            precision: precision.to_owned(),
            bundle,
            preparer,
            pool,
            queue,
            health,
            workers: Mutex::new(workers),
            loaded: std::time::SystemTime::now(),
        }))
    }

    /// The name in the API.
    pub fn name(&self) -> &str {
        &self.bundle.manifest.name
    }

    /// The manifest.
    pub fn manifest(&self) -> &Manifest {
        &self.bundle.manifest
    }

    /// The bundle that it was loaded from.
    pub fn bundle(&self) -> &Bundle {
        &self.bundle
    }

    /// The precision that it runs at.
    pub fn precision(&self) -> &str {
        &self.precision
    }

    /// Scenes to try it on.
    pub fn samples(&self) -> &[Sample] {
        &self.samples
    }

    /// Whether its workers live.
    pub fn health(&self) -> &Health {
        &self.health
    }

    /// When it was loaded.
    pub fn loaded(&self) -> std::time::SystemTime {
        self.loaded
    }

    /// Embeds items. All or nothing: nothing is run if one of them is bad.
    ///
    /// # Errors
    /// The first bad item by its index, or why the engine could not do it.
    pub async fn embed(
        &self,
        items: Vec<Item>,
        options: EmbedOptions,
    ) -> Result<Embedded, EmbedError> {
        let prepared = self
            .preparer
            .prepare(&self.pool, items, options.truncate)
            .await?;
        let (mut tokens, mut truncated) = (0, 0);
        let mut jobs = Vec::with_capacity(prepared.len());
        let mut replies = Vec::with_capacity(prepared.len());
        let enqueued = Instant::now();
        for (index, item) in prepared.into_iter().enumerate() {
            let item = item.map_err(|error| EmbedError::Item { index, error })?;
            tokens += item.tokens;
            truncated += item.truncated;
            let (reply, receiver) = oneshot::channel();
            jobs.push(Job {
                input: item.input,
                deadline: options.deadline,
                enqueued,
                reply,
            });
            replies.push(receiver);
        }
        self.queue.push(jobs, options.lane)?;
        let mut embeddings = Vec::with_capacity(replies.len());
        for reply in replies {
            // A reply that is dropped unanswered was held by a worker that died.
            embeddings.push(reply.await.map_err(|_| EngineError::Dead)??);
        }
        Ok(Embedded {
            embeddings,
            tokens,
            truncated,
        })
    }

    /// Takes nothing more in, runs what was accepted, and waits until the workers have ended. Blocks.
    pub fn stop(&self) {
        self.health.stop();
        self.queue.close();
        let workers =
            std::mem::take(&mut *self.workers.lock().unwrap_or_else(PoisonError::into_inner));
        for worker in workers {
            if worker.join().is_err() {
                tracing::error!("a worker had died before the stop");
            }
        }
    }
}
