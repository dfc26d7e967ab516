//! Features of images for inspection: maps of the bundle's third graph, which is loaded when something needs it.
//!
//! ```text
//! Model::features → CpuPool (decode, resize) → FeatureQueue → worker thread (own or wide session) → maps
//! ```
//!
//! The first call loads the sessions and checks the golden values. A call whose workers have ended loads them again.

mod golden;
mod queue;
mod wide;
mod worker;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};

use super::cost;
use super::cpu_pool::CpuPool;
use super::error::{EngineError, ItemError, LoadError};
use super::fair_queue::Flow;
use super::image_source::ImageSource;
use super::request::EmbedOptions;
use super::settings::EngineSettings;
use crate::bundle::{Bundle, FeaturesSide};
use crate::preprocess::{self, ImageOptions, Limits, Pixels};
use crate::runtime::{CudaSettings, Device, FeatureMap, FeatureSession, SessionSettings};
use crate::telemetry::Metrics;
use golden::FeatureSource;
pub use golden::verify_features;
use queue::FeatureJob;
pub use queue::FeatureQueue;
use wide::WideFeatures;

/// Memory of the calls that a model works on at a time, in MiB: pixels and maps. One image of 448 x 448 pixels takes 9 MiB
/// with the three maps of EfficientNet-Lite0; the largest possible image takes 46 MiB.
const BUDGET_MIB: usize = 512;

/// A failed load is not repeated earlier: it takes a second of a core.
const LOADED_AGAIN_AFTER: Duration = Duration::from_secs(30);

/// The reason why there are no features of an image.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum FeaturesError {
    /// The bundle has no such graph.
    #[error(
        "{model} has no features.onnx: its bundle.json has no \"features\". `clip-in-training features --bundle FOLDER` adds the graph"
    )]
    Missing {
        /// The model.
        model: String,
    },
    /// The graph cannot run on an input of this size.
    #[error("{0}")]
    Size(String),
    /// The image is invalid.
    #[error(transparent)]
    Image(#[from] ItemError),
    /// The graph cannot be loaded, or computes other results than at export.
    #[error("the features of {model} cannot be loaded: {reason}")]
    Load {
        /// The model.
        model: String,
        /// The problem.
        reason: String,
    },
    /// The engine failed.
    #[error(transparent)]
    Engine(#[from] EngineError),
}

/// The features of a model.
#[derive(Debug)]
pub struct Features {
    /// `None` if the bundle has none.
    side: Option<Arc<FeaturesSide>>,
    bundle: Arc<Bundle>,
    settings: EngineSettings,
    metrics: Arc<Metrics>,
    pool: CpuPool,
    budget: Arc<Semaphore>,
    queue: Arc<FeatureQueue>,
    alive: Arc<AtomicUsize>,
    threads: Mutex<Vec<JoinHandle<()>>>,
    /// Held during a load: the time and reason of the last failure.
    failed: Arc<tokio::sync::Mutex<Option<(Instant, String)>>>,
}

impl Features {
    /// Of a bundle. Nothing is loaded yet.
    pub fn new(
        bundle: Arc<Bundle>,
        settings: &EngineSettings,
        pool: CpuPool,
        metrics: Arc<Metrics>,
    ) -> Self {
        Self {
            side: bundle.manifest.features.clone().map(Arc::new),
            bundle,
            settings: settings.clone(),
            metrics,
            pool,
            budget: Arc::new(Semaphore::new(BUDGET_MIB)),
            queue: Arc::default(),
            alive: Arc::default(),
            threads: Mutex::default(),
            failed: Arc::default(),
        }
    }

    /// The queue, to close it.
    pub fn queue(&self) -> &Arc<FeatureQueue> {
        &self.queue
    }

    /// The threads to wait for. They end when the queue is closed and empty.
    pub fn take_workers(&self) -> Vec<JoinHandle<()>> {
        std::mem::take(&mut *self.threads.lock())
    }

    fn model(&self) -> String {
        self.bundle.manifest.name.clone()
    }

    /// Maps of one image, within the deadline of the options: see [`super::Model::features`].
    pub(super) async fn of_image(
        &self,
        image: ImageSource,
        size: Option<[usize; 2]>,
        options: EmbedOptions,
    ) -> Result<Vec<FeatureMap>, FeaturesError> {
        let work = self.maps(image, size, options);
        match options.deadline {
            Some(deadline) => tokio::time::timeout_at(deadline.into(), work)
                .await
                .unwrap_or_else(|_| Err(EngineError::DeadlineExceeded.into())),
            None => work.await,
        }
    }

    /// Maps of pixels that were prepared, uint8 `[height, width, 3]`, within the deadline of the options.
    pub(super) async fn of_pixels(
        &self,
        pixels: Pixels,
        size: [usize; 2],
        options: EmbedOptions,
    ) -> Result<Vec<FeatureMap>, FeaturesError> {
        let work = async {
            let side = self.side()?;
            side.check_size(size).map_err(FeaturesError::Size)?;
            let _place = self.reserve(side.bytes(size))?;
            self.ensure_workers(&side).await?;
            self.run(pixels, size, options).await
        };
        match options.deadline {
            Some(deadline) => tokio::time::timeout_at(deadline.into(), work)
                .await
                .unwrap_or_else(|_| Err(EngineError::DeadlineExceeded.into())),
            None => work.await,
        }
    }

    fn side(&self) -> Result<Arc<FeaturesSide>, FeaturesError> {
        let side = self.side.clone();
        side.ok_or_else(|| FeaturesError::Missing {
            model: self.model(),
        })
    }

    async fn maps(
        &self,
        image: ImageSource,
        size: Option<[usize; 2]>,
        options: EmbedOptions,
    ) -> Result<Vec<FeatureMap>, FeaturesError> {
        let side = self.side()?;
        let size = size.unwrap_or(side.size);
        side.check_size(size).map_err(FeaturesError::Size)?;
        // Before anything is decoded, and until the caller has the maps.
        let _place = self.reserve(side.bytes(size))?;
        self.ensure_workers(&side).await?;
        let pixels = self.pixels(image, size, options).await?;
        self.run(pixels, size, options).await
    }

    /// Queues an image whose memory is counted, and waits for its maps.
    async fn run(
        &self,
        pixels: Pixels,
        size: [usize; 2],
        options: EmbedOptions,
    ) -> Result<Vec<FeatureMap>, FeaturesError> {
        let (reply, receiver) = oneshot::channel();
        self.queue.push(FeatureJob {
            pixels,
            size,
            lane: options.lane,
            deadline: options.deadline,
            reply,
            span: tracing::Span::current(),
        })?;
        // Workers that all ended in the meantime do not see this image.
        if self.alive.load(Ordering::SeqCst) == 0 {
            self.queue.fail_all(&EngineError::Dead);
        }
        Ok(receiver.await.map_err(|_| EngineError::Dead)??)
    }

    fn reserve(&self, bytes: usize) -> Result<OwnedSemaphorePermit, EngineError> {
        let mib = u32::try_from(bytes.div_ceil(1 << 20)).unwrap_or(u32::MAX);
        let place = self.budget.clone().try_acquire_many_owned(mib);
        place.map_err(|_| EngineError::Overloaded {
            queued: BUDGET_MIB.saturating_sub(self.budget.available_permits())
                / mib.max(1) as usize,
            retry_after_seconds: 1,
        })
    }

    /// Decodes and resizes on the pool, as the image encoder's inputs are.
    async fn pixels(
        &self,
        image: ImageSource,
        size: [usize; 2],
        options: EmbedOptions,
    ) -> Result<Pixels, FeaturesError> {
        let spec = golden::spec(&self.bundle, size).map_err(|error| self.not_loaded(&error))?;
        let limits: Limits = self.settings.image_limits;
        let image_options: ImageOptions = options.images.or(self.settings.image_options);
        let cost = cost::of_image(&image, &limits);
        let flow = Flow::next(options.tenant);
        let work = self.pool.run(options.lane, flow, cost, move |stop| {
            let bytes = image.bytes()?;
            let picture = preprocess::decode_for(&bytes, &limits, &spec, image_options, stop)?;
            Ok(preprocess::to_input(&picture.image, &spec))
        });
        work.await?.map_err(FeaturesError::Image)
    }

    fn not_loaded(&self, error: &dyn std::fmt::Display) -> FeaturesError {
        FeaturesError::Load {
            model: self.model(),
            reason: error.to_string(),
        }
    }

    /// Loads sessions and starts workers if there are none. Callers wait for a load that is running.
    async fn ensure_workers(&self, side: &Arc<FeaturesSide>) -> Result<(), FeaturesError> {
        if self.alive.load(Ordering::SeqCst) > 0 {
            return Ok(());
        }
        let mut failed = self.failed.clone().lock_owned().await;
        if self.alive.load(Ordering::SeqCst) > 0 {
            return Ok(());
        }
        if let Some((at, reason)) = &*failed
            && at.elapsed() < LOADED_AGAIN_AFTER
        {
            return Err(self.not_loaded(reason));
        }
        let (sources, wide) = (self.sources(side), self.wide_source(side));
        // The lock goes along: a caller that is cancelled does not let another one load at the same time.
        let load = tokio::task::spawn_blocking(move || {
            let loaded = load(sources, wide);
            if let Err(error) = &loaded {
                *failed = Some((Instant::now(), error.to_string()));
            }
            (loaded, failed)
        });
        let (loaded, _held) = load.await.map_err(|error| self.not_loaded(&error))?;
        let (loaded, wide) = loaded.map_err(|error| self.not_loaded(&error))?;
        let mut threads = Vec::new();
        for (i, (session, source)) in loaded.into_iter().enumerate() {
            let (queue, alive) = (self.queue.clone(), self.alive.clone());
            let name = format!("features-{i}");
            let metrics = self.metrics.clone();
            let thread =
                worker::spawn(name, (session, wide.clone()), source, queue, alive, metrics);
            threads.push(thread.map_err(|error| self.not_loaded(&error))?);
        }
        tracing::info!(
            model = self.model(),
            sessions = threads.len(),
            wide = wide.is_some(),
            "features loaded"
        );
        let mut known = self.threads.lock();
        known.retain(|thread| !thread.is_finished());
        known.extend(threads);
        Ok(())
    }

    /// One for each worker, on the devices of the encoders.
    fn sources(&self, side: &Arc<FeaturesSide>) -> Vec<FeatureSource> {
        let settings = &self.settings;
        let on = |device| {
            let source = self.source(side, device, settings.threads_per_worker);
            std::iter::repeat_n(source, settings.workers_on(device))
        };
        settings.devices.iter().copied().flat_map(on).collect()
    }

    /// That of the session for an image that is alone, on the CPU.
    fn wide_source(&self, side: &Arc<FeaturesSide>) -> Option<FeatureSource> {
        let threads = self.settings.wide_threads;
        let is_wide = self.settings.device() == Device::Cpu && threads > 1;
        is_wide.then(|| self.source(side, Device::Cpu, threads))
    }

    /// The graph is fp32 at every precision of the model.
    fn source(&self, side: &Arc<FeaturesSide>, device: Device, threads: usize) -> FeatureSource {
        FeatureSource {
            bundle: self.bundle.clone(),
            side: side.clone(),
            settings: SessionSettings {
                threads,
                device,
                bf16: false,
                // 10-bit mantissas are too coarse for the golden values.
                cuda: CudaSettings {
                    tf32: false,
                    ..self.settings.cuda
                },
            },
            limits: self.settings.image_limits,
        }
    }
}

type Loaded = (
    Vec<(FeatureSession, FeatureSource)>,
    Option<Arc<WideFeatures>>,
);

/// The sessions of the workers, and the wide one if it is faster; the log says what was measured.
fn load(sources: Vec<FeatureSource>, wide: Option<FeatureSource>) -> Result<Loaded, LoadError> {
    let mut own = Vec::new();
    for source in sources {
        own.push((source.load()?, source));
    }
    let (Some(source), Some((narrow, _))) = (wide, own.first_mut()) else {
        return Ok((own, None));
    };
    let mut session = source.load()?;
    let gain = wide::gain(narrow, &mut session, source.side.size)?;
    tracing::info!(
        model = source.bundle.manifest.name,
        threads = source.settings.threads,
        gain,
        "measured a session of features with more threads, for an image that is alone"
    );
    Ok((own, WideFeatures::new(session, gain).map(Arc::new)))
}

impl Drop for Features {
    fn drop(&mut self) {
        self.queue.close();
    }
}
