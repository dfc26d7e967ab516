//! A model that is loaded, proved and running: the engine's public face.

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

use sha2::{Digest, Sha256};

use super::batching::BatchPolicy;
use super::embed::EmbedOptions;
use super::embedding_cache::{EmbeddingCache, ImageDigest};
use super::intake::Intake;
use super::precision::Choice;
use super::prepare::{Item, ItemError, Prepared, Preparer};
use super::queue::Queue;
use super::sessions;
use super::statistics::Statistics;
use super::{CpuPool, EngineError, Health, worker};
use crate::bundle::{Bundle, BundleError, Manifest, Sample};
use crate::preprocess::{ImageOptions, Limits};
use crate::runtime::{CudaSettings, Device, RuntimeError};
use crate::telemetry::Metrics;

/// How a model is run.
#[derive(Debug, Clone)]
pub struct EngineSettings {
    /// The devices that run it, all of one kind.
    pub devices: Vec<Device>,
    /// Worker threads on each device, each with sessions of its own; by default one for each core on the CPU (each runs on one
    /// thread), and one for each card.
    pub workers: Option<usize>,
    /// Threads inside one session on the CPU.
    pub threads_per_worker: usize,
    /// Settings of CUDA sessions.
    pub cuda: CudaSettings,
    /// Items that may wait in each lane.
    pub queue_capacity: usize,
    /// How batches are formed.
    pub batching: BatchPolicy,
    /// What an image may be.
    pub image_limits: Limits,
    /// How images are read, where a request leaves it open.
    pub image_options: ImageOptions,
    /// Longest text in bytes.
    pub max_text_bytes: usize,
    /// Bytes that the cache of text embeddings may hold; 0 switches it off.
    pub text_cache_bytes: u64,
    /// Bytes that the cache of image embeddings may hold; 0 switches it off.
    pub image_cache_bytes: u64,
}

impl Default for EngineSettings {
    fn default() -> Self {
        Self {
            devices: vec![Device::Cpu],
            workers: None,
            threads_per_worker: 1,
            cuda: CudaSettings::default(),
            queue_capacity: 1024,
            batching: BatchPolicy::of(Device::Cpu),
            image_limits: Limits::default(),
            image_options: ImageOptions::default(),
            max_text_bytes: 64 * 1024,
            text_cache_bytes: 64 << 20,
            image_cache_bytes: 0,
        }
    }
}

impl EngineSettings {
    /// The first device, which decides what kind they are.
    pub(super) fn device(&self) -> Device {
        self.devices.first().copied().unwrap_or_default()
    }

    pub(super) fn workers_on(&self, device: Device) -> usize {
        self.workers.unwrap_or(match device {
            // Two sessions of one thread answer 21 images/s where one session of two threads answers 20 (ViT-B/32).
            Device::Cpu => (num_cpus::get() / self.threads_per_worker.max(1)).max(1),
            Device::Cuda(_) => 1,
        })
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

fn fingerprint(bundle: &Bundle, precision: &str) -> String {
    let mut hash = Sha256::new();
    hash.update(precision);
    for (name, digest) in &bundle.manifest.files {
        // Lengths keep names and digests apart.
        hash.update(name.len().to_le_bytes());
        hash.update(name);
        hash.update(digest);
    }
    format!("{:x}", hash.finalize())
}

/// A model that answers.
#[derive(Debug)]
pub struct Model {
    bundle: Arc<Bundle>,
    fingerprint: String,
    choice: Choice,
    devices: Vec<Device>,
    provider: &'static str,
    samples: Vec<Sample>,
    preparer: Arc<Preparer>,
    pool: CpuPool,
    text_cache: Option<EmbeddingCache<String>>,
    queue: Intake,
    health: Arc<Health>,
    statistics: Arc<Statistics>,
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
        let bundle = Arc::new(Bundle::open(path)?);
        let preparer = Arc::new(Preparer::new(&bundle, settings, metrics.clone())?);
        let (choice, encoders) = sessions::start(&bundle, precision, settings, &preparer)?;
        let batching = settings.batching.for_variant(&choice.variant);
        // Should the load fail from here on, dropping this ends the workers that were started.
        let queue = Intake::new(Queue::new(
            settings.queue_capacity,
            encoders.len(),
            batching,
            metrics.clone(),
        ));
        let health = Arc::new(Health::default());
        let statistics = Arc::new(Statistics::default());
        let mut workers = Vec::new();
        for (i, encoders) in encoders.into_iter().enumerate() {
            workers.push(worker::spawn(
                format!("worker-{i}"),
                encoders,
                batching,
                queue.clone(),
                health.clone(),
                metrics.clone(),
                statistics.clone(),
            )?);
        }
        let bundle_width = bundle.manifest.embedding_dim;
        Ok(Arc::new(Self {
            samples: bundle.samples()?,
            fingerprint: fingerprint(&bundle, &choice.variant.precision),
            provider: sessions::settings_of(settings, &choice, settings.device()).provider(),
            choice,
            devices: settings.devices.clone(),
            bundle,
            preparer,
            text_cache: EmbeddingCache::of_texts(settings.text_cache_bytes, bundle_width, &metrics),
            pool,
            queue,
            health,
            statistics,
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

    /// Identifies what its embeddings depend on: the bundle's files and the precision. Equal fingerprints mean equal embeddings.
    pub fn fingerprint(&self) -> &str {
        &self.fingerprint
    }

    /// The precision that it runs at.
    pub fn precision(&self) -> &str {
        &self.choice.variant.precision
    }

    /// Why it runs at that precision, for people.
    pub fn precision_reason(&self) -> &str {
        &self.choice.reason
    }

    /// The devices that run it, as `--devices` takes them.
    pub fn device(&self) -> String {
        let all = self.devices.iter().map(ToString::to_string);
        all.collect::<Vec<_>>().join(",")
    }

    /// The provider that runs it, as ONNX Runtime calls it.
    pub fn provider(&self) -> &'static str {
        self.provider
    }

    /// Scenes to try it on.
    pub fn samples(&self) -> &[Sample] {
        &self.samples
    }

    /// Whether its workers live.
    pub fn health(&self) -> &Health {
        &self.health
    }

    /// What it has done since it was loaded.
    pub fn statistics(&self) -> &Statistics {
        &self.statistics
    }

    /// When it was loaded.
    pub fn loaded(&self) -> std::time::SystemTime {
        self.loaded
    }

    /// How it reads images, where a request leaves it open.
    pub fn image_options(&self) -> ImageOptions {
        self.preparer.image_options
    }

    pub(super) fn text_cache(&self) -> Option<&EmbeddingCache<String>> {
        self.text_cache.as_ref()
    }

    pub(super) fn image_cache(&self) -> Option<&EmbeddingCache<ImageDigest>> {
        self.preparer.image_cache.as_ref()
    }

    pub(super) fn queue(&self) -> &Arc<Queue> {
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

    /// The threads to wait for. They end when the queue is closed and empty.
    pub(super) fn take_workers(&self) -> Vec<JoinHandle<()>> {
        std::mem::take(&mut *self.workers.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Takes nothing more in; what was accepted is still run.
    pub fn close(&self) {
        self.health.stop();
        self.queue.close();
    }

    /// Takes nothing more in, runs what was accepted, and waits until the workers have ended. Blocks.
    pub fn stop(&self) {
        self.close();
        for worker in self.take_workers() {
            if worker.join().is_err() {
                tracing::error!("a worker had died before the stop");
            }
        }
    }
}
