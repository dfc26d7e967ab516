//! A worker: a thread that owns a pair of sessions, takes batches, runs them and answers.

use std::ops::ControlFlow;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Instant;

use super::batching::BatchPolicy;
use super::error::EngineError;
use super::health::Health;
use super::job::{Job, Modality};
use super::queue::{Batch, Queue};
use super::recovery::{BatchResult, RecoveringEncoders};
use super::sessions::WorkerSessions;
use super::statistics::Statistics;
use super::wide::WideSessions;

use crate::telemetry::Metrics;

/// Starts a worker. It ends when the queue is closed and empty, or when its sessions failed and cannot be replaced.
pub fn spawn(
    name: String,
    sessions: WorkerSessions,
    policy: BatchPolicy,
    queue: Arc<Queue>,
    health: Arc<Health>,
    metrics: Arc<Metrics>,
    statistics: Arc<Statistics>,
) -> std::io::Result<JoinHandle<()>> {
    std::thread::Builder::new().name(name).spawn(move || {
        health.worker_started();
        let WorkerSessions { own, source, wide } = sessions;
        let mut worker = Worker {
            encoders: RecoveringEncoders::new(own, source, policy, metrics.clone()),
            wide,
            queue: queue.clone(),
            metrics,
            statistics,
        };
        let mut watch = DeathWatch {
            queue: queue.clone(),
            health,
            lives: true,
        };
        while let Some(batch) = queue.take() {
            if worker.answer(batch).is_break() {
                return;
            }
        }
        watch.lives = false;
    })
}

/// Reports a worker that ends unexpectedly, also by a panic. Its items are answered because their reply channels are
/// dropped.
struct DeathWatch {
    queue: Arc<Queue>,
    health: Arc<Health>,
    lives: bool,
}

impl Drop for DeathWatch {
    fn drop(&mut self) {
        if !self.lives {
            return; // ended because the queue was closed
        }
        tracing::error!("a worker died; the server is no longer ready");
        if self.health.worker_died() == 0 {
            self.queue.fail_all(&EngineError::Dead);
        }
    }
}

struct Worker {
    encoders: RecoveringEncoders,
    wide: Option<Arc<WideSessions>>,
    queue: Arc<Queue>,
    metrics: Arc<Metrics>,
    statistics: Arc<Statistics>,
}

impl Worker {
    /// Answers a batch; breaks if no other can be run.
    fn answer(&mut self, batch: Batch) -> ControlFlow<()> {
        let Batch {
            group,
            modality,
            lane,
            jobs,
            taken,
            alone,
        } = batch;
        tracing::trace!(
            modality = modality.name(),
            lane = lane.name(),
            items = jobs.len(),
            "batch"
        );
        self.metrics.batch_size(modality).observe(jobs.len() as f64);
        let started = Instant::now();
        let BatchResult {
            results,
            seconds,
            dead,
        } = self.run(modality, &jobs, alone);
        self.statistics.note_batch();
        self.queue.record(group, jobs.len(), seconds);
        for (job, result) in jobs.into_iter().zip(results) {
            match result {
                Ok(encoded) => job.succeed(encoded, taken, started),
                Err(error) => self.fail(job, error),
            }
        }
        if dead {
            ControlFlow::Break(())
        } else {
            ControlFlow::Continue(())
        }
    }

    /// Runs a batch that is alone on all cores, and others on this worker's sessions.
    fn run(&mut self, modality: Modality, jobs: &[Job], alone: bool) -> BatchResult {
        let wide = self.wide.clone().filter(|_| alone);
        let Some((wide, result)) = wide.and_then(|wide| {
            let result = wide.run(modality, jobs, &self.metrics)?;
            Some((wide, result))
        }) else {
            return self.encoders.run(modality, jobs);
        };
        match result {
            Ok((encoded, seconds)) => BatchResult {
                results: encoded.into_iter().map(Ok).collect(),
                // The queue plans with the times of the workers' sessions, which run everything under load.
                seconds: seconds * wide.gain(modality),
                dead: false,
            },
            Err(error) => {
                let own = self.encoders.run(modality, jobs);
                if own.results.iter().all(Result::is_ok) {
                    wide.give_up(&error);
                }
                own
            }
        }
    }

    fn fail(&self, job: Job, error: EngineError) {
        job.span
            .in_scope(|| tracing::error!(%error, "inference failed"));
        self.metrics.inference_failures.inc();
        job.fail(error);
    }
}
