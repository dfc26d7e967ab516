//! A model that is loaded, verified and running: the engine's public interface.

use std::path::Path;
use std::sync::Arc;
use std::thread::JoinHandle;

use parking_lot::Mutex;
use sha2::{Digest, Sha256};

use super::caches::Caches;
use super::cpu_pool::CpuPool;
use super::error::{EngineError, ItemError, LoadError};
use super::features::{Features, FeaturesError};
use super::health::Health;
use super::image_source::ImageSource;
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
use crate::preprocess::{ImageOptions, ImageSpec, Limits, Pixels};
use crate::runtime::{Device, FeatureMap};
use crate::telemetry::Metrics;

fn fingerprint(bundle: &Bundle, precision: &str) -> String {
    let mut hash = Sha256::new();
    hash.update(precision);
    for (name, digest) in &bundle.manifest.files {
        // Lengths separate names and digests.
        hash.update(name.len().to_le_bytes());
        hash.update(name);
        hash.update(digest);
    }
    format!("{:x}", hash.finalize())
}

/// A running model.
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
    queue: Intake,
    features: Features,
    health: Arc<Health>,
    statistics: Arc<Statistics>,
    workers: Mutex<Vec<JoinHandle<()>>>,
    loaded: std::time::SystemTime,
}

impl Model {
    /// Opens a bundle, checks it (checksums, golden embeddings on every worker's sessions) and starts its workers.
    ///
    /// # Errors
    /// [`LoadError`] with the file and the problem.
    pub fn load(
        path: &Path,
        precision: &str,
        settings: &EngineSettings,
        pool: CpuPool,
        metrics: Arc<Metrics>,
    ) -> Result<Arc<Self>, LoadError> {
        let bundle = Arc::new(Bundle::open(path)?);
        let preparer = Arc::new(Preparer::new(&bundle, settings, metrics.clone())?);
        let (choice, sessions) = sessions::start(&bundle, precision, settings, &preparer)?;
        let batching = settings.batching.for_variant(&choice.variant);
        // If the load fails after this point, dropping this ends the started workers.
        let queue = Intake::new(Queue::new(
            settings.queue_capacity,
            sessions.len(),
            batching,
            metrics.clone(),
        ));
        let health = Arc::new(Health::default());
        let statistics = Arc::new(Statistics::default());
        let mut workers = Vec::new();
        for (i, sessions) in sessions.into_iter().enumerate() {
            workers.push(worker::spawn(
                format!("worker-{i}"),
                sessions,
                batching,
                queue.clone(),
                health.clone(),
                metrics.clone(),
                statistics.clone(),
            )?);
        }
        Ok(Arc::new(Self {
            samples: bundle.samples()?,
            fingerprint: fingerprint(&bundle, &choice.variant.precision),
            provider: session_source::settings_of(settings, &choice, settings.device()).provider(),
            choice,
            features: Features::new(bundle.clone(), settings, pool.clone(), metrics.clone()),
            devices: settings.devices.clone(),
            bundle,
            preparer,
            pool,
            queue,
            health,
            statistics,
            workers: Mutex::new(workers),
            loaded: std::time::SystemTime::now(),
        }))
    }

    /// Its name in the API.
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

    /// Identifies everything that its embeddings depend on: the bundle's files and the precision. Equal fingerprints mean
    /// equal embeddings.
    pub fn fingerprint(&self) -> &str {
        &self.fingerprint
    }

    /// Its precision.
    pub fn precision(&self) -> &str {
        &self.choice.variant.precision
    }

    /// The reason for this precision, for people.
    pub fn precision_reason(&self) -> &str {
        &self.choice.reason
    }

    /// Its devices, in the format of `--devices`.
    pub fn device(&self) -> String {
        let all = self.devices.iter().map(ToString::to_string);
        all.collect::<Vec<_>>().join(",")
    }

    /// Its provider, by ONNX Runtime's name.
    pub fn provider(&self) -> &'static str {
        self.provider
    }

    /// Sample scenes.
    pub fn samples(&self) -> &[Sample] {
        &self.samples
    }

    /// The state of its workers.
    pub fn health(&self) -> &Health {
        &self.health
    }

    /// Counts since it was loaded.
    pub fn statistics(&self) -> &Statistics {
        &self.statistics
    }

    /// Time when it was loaded.
    pub fn loaded(&self) -> std::time::SystemTime {
        self.loaded
    }

    /// The default image options.
    pub fn image_options(&self) -> ImageOptions {
        self.preparer.image_options
    }

    pub(super) fn caches(&self) -> &Caches {
        &self.preparer.caches
    }

    /// The process's metrics.
    pub fn metrics(&self) -> &Metrics {
        &self.preparer.metrics
    }

    pub(super) fn preparer(&self) -> &Arc<Preparer> {
        &self.preparer
    }

    pub(super) fn pool(&self) -> &CpuPool {
        &self.pool
    }

    pub(super) fn queue(&self) -> &Arc<Queue> {
        &self.queue
    }

    pub(super) fn feature_graph(&self) -> &Features {
        &self.features
    }

    /// Maps of features of an image, one for each output of the bundle's features, in the manifest's order. The image is
    /// resized to `size` (height and width in pixels; the manifest's default if `None`) by the rules of the image encoder.
    ///
    /// The first call loads the graph. Each call counts against a budget of memory until it returns: see
    /// [`crate::bundle::FeaturesSide::bytes`].
    ///
    /// # Errors
    /// [`FeaturesError`]: no such graph, an impossible size, an invalid image, a full queue, a deadline that passed.
    pub async fn features(
        &self,
        image: ImageSource,
        size: Option<[usize; 2]>,
        options: EmbedOptions,
    ) -> Result<Vec<FeatureMap>, FeaturesError> {
        self.features.of_image(image, size, options).await
    }

    /// The same for an image that was prepared: pixels of this height and width, uint8 `[height, width, 3]`.
    ///
    /// # Errors
    /// As [`Model::features`].
    pub async fn features_of_pixels(
        &self,
        pixels: Pixels,
        size: [usize; 2],
        options: EmbedOptions,
    ) -> Result<Vec<FeatureMap>, FeaturesError> {
        self.features.of_pixels(pixels, size, options).await
    }

    /// The limits of images.
    pub fn image_limits(&self) -> &Limits {
        &self.preparer.limits
    }

    /// The rules of the image encoder's input.
    pub fn image_spec(&self) -> &ImageSpec {
        &self.preparer.spec
    }

    /// Prepares encoder inputs of items, each with its own result.
    pub(super) async fn prepare(
        &self,
        items: Vec<Item>,
        options: EmbedOptions,
    ) -> Result<Vec<Result<Prepared, ItemError>>, EngineError> {
        self.preparer.prepare(&self.pool, items, options).await
    }

    /// The threads to wait for. They end when the queue is closed and empty.
    pub(super) fn take_workers(&self) -> Vec<JoinHandle<()>> {
        let mut workers = std::mem::take(&mut *self.workers.lock());
        workers.extend(self.features.take_workers());
        workers
    }

    /// Closes the queues; accepted items are still run.
    pub fn close(&self) {
        self.health.stop();
        self.queue.close();
        self.features.queue().close();
    }

    /// Closes the queue, runs the accepted items, and waits until the workers have ended. Blocks.
    pub fn stop(&self) {
        self.close();
        for worker in self.take_workers() {
            if worker.join().is_err() {
                tracing::error!("a worker had died before the stop");
            }
        }
    }
}
