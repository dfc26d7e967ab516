//! A model that is loaded, proved and running: the engine's public face.

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

use sha2::{Digest, Sha256};

use super::cpu_pool::CpuPool;
use super::embedding_cache::{EmbeddingCache, ImageDigest};
use super::error::{EngineError, ItemError, LoadError};
use super::health::Health;
use super::intake::Intake;
use super::precision::Choice;
use super::prepare::{Prepared, Preparer};
use super::queue::Queue;
use super::request::{EmbedOptions, Item};
use super::session_source;
use super::sessions;
use super::settings::EngineSettings;
use super::statistics::Statistics;
use super::worker;
use crate::bundle::{Bundle, Manifest, Sample};
use crate::preprocess::ImageOptions;
use crate::runtime::Device;
use crate::telemetry::Metrics;

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
            provider: session_source::settings_of(settings, &choice, settings.device()).provider(),
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
