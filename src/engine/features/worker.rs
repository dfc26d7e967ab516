//! A worker of features: a thread that owns a session, takes batches, runs them and answers.

use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use super::super::error::EngineError;
use super::golden::FeatureSource;
use super::queue::{FeatureBatch, FeatureQueue};
use super::wide::WideFeatures;
use crate::preprocess::Pixels;
use crate::runtime::{FeatureMap, FeatureSession, RuntimeError};
use crate::telemetry::Metrics;

/// A session that works this long after a rebuild and then fails has a new cause.
const REBUILT_AGAIN_AFTER: Duration = Duration::from_secs(3600);

/// Starts a worker. It ends when the queue is closed and empty, or when its session failed and cannot be replaced.
pub fn spawn(
    name: String,
    (session, wide): (FeatureSession, Option<Arc<WideFeatures>>),
    source: FeatureSource,
    queue: Arc<FeatureQueue>,
    alive: Arc<AtomicUsize>,
    metrics: Arc<Metrics>,
) -> std::io::Result<JoinHandle<()>> {
    let thread = std::thread::Builder::new().name(name);
    alive.fetch_add(1, Ordering::SeqCst);
    let watch = DeathWatch {
        queue: queue.clone(),
        alive,
    };
    thread.spawn(move || {
        let _watch = watch;
        let mut worker = Worker {
            session: Some(session),
            wide,
            source,
            rebuilt: None,
            metrics,
        };
        while let Some(batch) = queue.take() {
            if worker.answer(batch).is_break() {
                return;
            }
        }
    })
}

/// Counts a worker that ends, also by a panic. The last one answers what still waits; the next request starts new workers.
struct DeathWatch {
    queue: Arc<FeatureQueue>,
    alive: Arc<AtomicUsize>,
}

impl Drop for DeathWatch {
    fn drop(&mut self) {
        if self.alive.fetch_sub(1, Ordering::SeqCst) == 1 {
            self.queue.fail_all(&EngineError::Dead);
        }
    }
}

struct Worker {
    /// `None` if it failed and could not be replaced.
    session: Option<FeatureSession>,
    /// For an image that is alone; all workers share it.
    wide: Option<Arc<WideFeatures>>,
    source: FeatureSource,
    rebuilt: Option<Instant>,
    metrics: Arc<Metrics>,
}

impl Worker {
    /// Answers a batch. If it fails, its images are run one after another, so that only what is at fault gets an error.
    fn answer(&mut self, batch: FeatureBatch) -> ControlFlow<()> {
        let FeatureBatch {
            jobs,
            alone,
            running: _running,
        } = batch;
        let Some(size) = jobs.first().map(|job| job.size) else {
            return ControlFlow::Continue(());
        };
        if jobs.len() > 1 {
            let pixels: Vec<_> = jobs.iter().map(|job| &job.pixels).collect();
            if let Some(Ok(maps)) = self.session.as_mut().map(|s| s.run(&pixels, size)) {
                for (job, maps) in jobs.into_iter().zip(maps) {
                    job.answer(Ok(maps));
                }
                return ControlFlow::Continue(());
            }
        }
        for job in jobs {
            let result = if alone {
                self.run_wide(&job.pixels, size)
            } else {
                self.run_alone(&job.pixels, size)
            };
            if let Err(error) = &result {
                job.span
                    .in_scope(|| tracing::error!(%error, "computing features failed"));
                self.metrics.inference_failures.inc();
            }
            job.answer(result);
        }
        match self.session {
            Some(_) => ControlFlow::Continue(()),
            None => ControlFlow::Break(()),
        }
    }

    /// Runs an image that has the machine to itself: with the wide session, if there is one.
    fn run_wide(
        &mut self,
        pixels: &Pixels,
        size: [usize; 2],
    ) -> Result<Vec<FeatureMap>, EngineError> {
        let wide = self.wide.clone();
        let Some((wide, tried)) =
            wide.and_then(|wide| wide.run(pixels, size).map(|maps| (wide, maps)))
        else {
            return self.run_alone(pixels, size);
        };
        match tried {
            Ok(maps) => {
                self.metrics.wide_features.inc();
                Ok(maps)
            }
            Err(error) => {
                let result = self.run_alone(pixels, size);
                // Missing memory does not mean that the session failed.
                if result.is_ok() && !matches!(error, RuntimeError::OutOfMemory(_)) {
                    wide.give_up(&error);
                }
                result
            }
        }
    }

    /// Runs one image. A failed session is rebuilt, and the image is run once more.
    fn run_alone(
        &mut self,
        pixels: &Pixels,
        size: [usize; 2],
    ) -> Result<Vec<FeatureMap>, EngineError> {
        let error = match self.run(pixels, size)? {
            Ok(maps) => return Ok(maps),
            Err(error) => error,
        };
        // Missing memory does not mean that the session failed.
        if matches!(error, RuntimeError::OutOfMemory(_)) || self.lives() {
            return Err(self.failure(&error));
        }
        tracing::error!(%error, "the session of features failed; rebuilding it");
        self.rebuild()?;
        self.run(pixels, size)?
            .map_err(|error| self.failure(&error))
    }

    /// The outer error: there is no session.
    fn run(
        &mut self,
        pixels: &Pixels,
        size: [usize; 2],
    ) -> Result<Result<Vec<FeatureMap>, RuntimeError>, EngineError> {
        let session = self.session.as_mut().ok_or(EngineError::Dead)?;
        let maps = session.run(&[pixels], size);
        Ok(maps.map(|maps| maps.into_iter().flatten().collect()))
    }

    /// Whether the session can still run a black image of the default size.
    fn lives(&mut self) -> bool {
        let size @ [height, width] = self.source.side.size;
        let black = Pixels::U8(vec![0; height * width * 3]);
        matches!(
            self.run(&black, size),
            Ok(Ok(_) | Err(RuntimeError::OutOfMemory(_)))
        )
    }

    fn rebuild(&mut self) -> Result<(), EngineError> {
        // First of all, because two sessions at a time may not fit into the device.
        self.session = None;
        let again = |at: Instant| at.elapsed() < REBUILT_AGAIN_AFTER;
        if self.rebuilt.is_some_and(again) {
            tracing::error!("the rebuilt session of features failed soon; its worker ends");
            return Err(EngineError::Dead);
        }
        let session = self.source.load().map_err(|error| {
            tracing::error!(%error, "the session of features cannot be rebuilt; its worker ends");
            EngineError::Dead
        })?;
        self.session = Some(session);
        self.rebuilt = Some(Instant::now());
        self.metrics.sessions_rebuilt.inc();
        Ok(())
    }

    /// Converts a failed run to the error for its request.
    fn failure(&self, error: &RuntimeError) -> EngineError {
        if let RuntimeError::OutOfMemory(_) = error {
            self.metrics.out_of_memory.inc();
            return EngineError::OutOfMemory(error.to_string());
        }
        EngineError::Inference(error.to_string())
    }
}
