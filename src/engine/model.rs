//! A model that is loaded, proved and running: the engine's public face.

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use super::embed::EmbedOptions;
use super::golden::check_golden;
use super::prepare::{Item, ItemError, Prepared, Preparer};
use super::queue::{BatchLimits, Queue};
use super::text_cache::TextCache;
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
    /// Items that may wait in each lane.
    pub queue_capacity: usize,
    /// Most images in a batch.
    pub max_batch_images: usize,
    /// Most texts in a batch.
    pub max_batch_texts: usize,
    /// What an image may be.
    pub image_limits: Limits,
    /// Longest text in bytes.
    pub max_text_bytes: usize,
    /// Bytes that the cache of text embeddings may hold; 0 switches it off.
    pub text_cache_bytes: u64,
    /// Longest time of a bulk batch, which is what an interactive item may have to wait for.
    pub bulk_batch_time: Duration,
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
            text_cache_bytes: 64 << 20,
            bulk_batch_time: Duration::from_millis(150),
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

/// A model that answers.
#[derive(Debug)]
pub struct Model {
    bundle: Bundle,
    precision: String,
    samples: Vec<Sample>,
    preparer: Arc<Preparer>,
    pool: CpuPool,
    text_cache: Option<TextCache>,
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
            bulk_time: settings.bulk_batch_time,
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
        let bundle_width = bundle.manifest.embedding_dim;
        Ok(Arc::new(Self {
            samples: bundle.samples()?,
            precision: precision.to_owned(),
            bundle,
            preparer,
            text_cache: TextCache::new(settings.text_cache_bytes, bundle_width, metrics),
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

    pub(super) fn text_cache(&self) -> Option<&TextCache> {
        self.text_cache.as_ref()
    }

    pub(super) fn queue(&self) -> &Queue {
        &self.queue
    }

    /// Items → encoder inputs, each with its own result.
    pub(super) async fn prepare(
        &self,
        items: Vec<Item>,
        options: EmbedOptions,
    ) -> Result<Vec<Result<Prepared, ItemError>>, EngineError> {
        self.preparer.prepare(&self.pool, items, options).await
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
