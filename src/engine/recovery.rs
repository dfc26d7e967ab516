//! Sessions that survive failed runs. A batch is run as a whole. If that fails, this finds the cause: an item, the device's
//! memory, or the sessions. Only what is at fault gets an error.
//!
//! - *Memory*: the batch is run in halves, down to single items. An item that does not fit alone gets the error.
//! - *The sessions*: they cannot run a blank input any more. They are dropped and rebuilt once, verified like the first
//!   ones, and the batch is run again. Sessions that fail again within [`REBUILT_AGAIN_AFTER`], or that cannot be created,
//!   end the worker; the server then reports that it is not ready.
//! - *An item*: the sessions can run a blank input. The batch is run in halves until the item is alone.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::batch_run;
use super::batching::BatchPolicy;
use super::error::EngineError;
use super::job::{Job, Modality};
use super::session_source::SessionSource;
use crate::runtime::{Encoded, Encoders, RuntimeError};
use crate::telemetry::Metrics;

/// Minimum time between two log lines about failed batches: on a full GPU hundreds of them fail per second.
const TOLD_AGAIN_AFTER: Duration = Duration::from_secs(10);

/// Sessions that work this long after a rebuild and then fail have a new cause.
const REBUILT_AGAIN_AFTER: Duration = Duration::from_secs(3600);

/// The result of a batch.
pub struct BatchResult {
    /// One for each job, in order.
    pub results: Vec<Result<Encoded, EngineError>>,
    /// Seconds of its runs, without the time for rebuilding sessions.
    pub seconds: f64,
    /// No sessions are left.
    pub dead: bool,
}

/// The sessions of a worker, and the source of new ones.
pub struct RecoveringEncoders {
    /// `None` if they failed and could not be replaced.
    encoders: Option<Encoders>,
    source: SessionSource,
    rebuilt: Option<Instant>,
    seconds: f64,
    /// Time of the last log line about a failed run, and the number of failed runs since then.
    told: Option<Instant>,
    untold: u64,
    policy: BatchPolicy,
    metrics: Arc<Metrics>,
}

impl RecoveringEncoders {
    /// Sessions, with the source that can replace them.
    pub fn new(
        encoders: Encoders,
        source: SessionSource,
        policy: BatchPolicy,
        metrics: Arc<Metrics>,
    ) -> Self {
        Self {
            encoders: Some(encoders),
            source,
            rebuilt: None,
            seconds: 0.0,
            told: None,
            untold: 0,
            policy,
            metrics,
        }
    }

    /// Embeds a batch; every job has its own result.
    pub fn run(&mut self, modality: Modality, jobs: &[Job]) -> BatchResult {
        let mut results = Vec::with_capacity(jobs.len());
        self.seconds = 0.0;
        self.run_part(modality, jobs, &mut results);
        BatchResult {
            results,
            seconds: self.seconds,
            dead: self.encoders.is_none(),
        }
    }

    fn run_part(
        &mut self,
        modality: Modality,
        jobs: &[Job],
        results: &mut Vec<Result<Encoded, EngineError>>,
    ) {
        let error = match self.run_whole(modality, jobs) {
            Ok(encoded) => return results.extend(encoded.into_iter().map(Ok)),
            Err(error) => error,
        };
        if jobs.len() > 1 && self.encoders.is_some() {
            self.tell(&error, jobs.len());
            let (first, second) = jobs.split_at(jobs.len() / 2);
            self.run_part(modality, first, results);
            return self.run_part(modality, second, results);
        }
        results.extend(jobs.iter().map(|_| Err(error.clone())));
    }

    fn tell(&mut self, error: &EngineError, items: usize) {
        self.untold += 1;
        if self.told.is_none_or(|at| at.elapsed() >= TOLD_AGAIN_AFTER) {
            let runs = std::mem::take(&mut self.untold);
            tracing::warn!(%error, items, runs, "a batch failed; running it in halves");
            self.told = Some(Instant::now());
        }
    }

    /// Runs a batch as a whole. Failed sessions are rebuilt, and it is run once more.
    fn run_whole(&mut self, modality: Modality, jobs: &[Job]) -> Result<Vec<Encoded>, EngineError> {
        let error = match self.encode(modality, jobs)? {
            Ok(encoded) => return Ok(encoded),
            Err(error) => error,
        };
        // Missing memory does not mean that the sessions failed.
        if matches!(error, RuntimeError::OutOfMemory(_)) || self.lives(modality) {
            return Err(self.failure(&error));
        }
        tracing::error!(%error, "the sessions of a worker failed; rebuilding them");
        self.rebuild()?;
        self.encode(modality, jobs)?
            .map_err(|error| self.failure(&error))
    }

    /// Converts a failed run to the error for its requests.
    fn failure(&self, error: &RuntimeError) -> EngineError {
        if let RuntimeError::OutOfMemory(_) = error {
            self.metrics.out_of_memory.inc();
            EngineError::OutOfMemory(error.to_string())
        } else {
            EngineError::Inference(error.to_string())
        }
    }

    /// Whether the encoder can still run what it ran when it was loaded. Missing memory does not count.
    fn lives(&mut self, modality: Modality) -> bool {
        let Some(encoders) = &mut self.encoders else {
            return false;
        };
        let tried = match modality {
            Modality::Image => encoders.encode_images(&[&encoders.blank()], 1),
            Modality::Text => {
                encoders.encode_texts(&[&encoders.shortest_text()], 1, self.policy.length(1))
            }
        };
        matches!(tried, Ok(_) | Err(RuntimeError::OutOfMemory(_)))
    }

    fn rebuild(&mut self) -> Result<(), EngineError> {
        // First of all, because two pairs at a time may not fit into the device.
        self.encoders = None;
        let again = self
            .rebuilt
            .is_some_and(|at| at.elapsed() < REBUILT_AGAIN_AFTER);
        if again {
            tracing::error!("the rebuilt sessions failed soon; the worker ends");
            return Err(EngineError::Dead);
        }
        let began = Instant::now();
        match self.source.load_again() {
            Ok(encoders) => {
                self.encoders = Some(encoders);
                self.rebuilt = Some(Instant::now());
                self.metrics.sessions_rebuilt.inc();
                let seconds = began.elapsed().as_secs_f64();
                tracing::warn!(seconds, "sessions of a worker rebuilt");
                Ok(())
            }
            Err(error) => {
                tracing::error!(%error, "the sessions of a worker cannot be rebuilt; the worker ends");
                Err(EngineError::Dead)
            }
        }
    }

    /// The outer error: there are no sessions.
    fn encode(
        &mut self,
        modality: Modality,
        jobs: &[Job],
    ) -> Result<Result<Vec<Encoded>, RuntimeError>, EngineError> {
        let encoders = self.encoders.as_mut().ok_or(EngineError::Dead)?;
        let started = Instant::now();
        let result = batch_run::run(encoders, &self.policy, modality, jobs);
        let seconds = started.elapsed().as_secs_f64();
        self.seconds += seconds;
        self.metrics.inference_seconds(modality).observe(seconds);
        Ok(result)
    }
}
