//! A worker: a thread that owns a pair of sessions, takes the next batch, runs it and answers.

use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Instant;

use super::EngineError;
use super::batching::BatchPolicy;
use super::health::Health;
use super::job::{Embedding, Input, Job, Modality};
use super::queue::{Batch, Queue};
use crate::runtime::{Encoders, RuntimeError};
use crate::telemetry::Metrics;

/// Runs every shape that the policy lets a batch have, the largest first, so that no request pays for a first time.
///
/// # Errors
/// Whatever a run says: a card that has no memory for its largest batch is found here.
pub fn warm_up(encoders: &mut Encoders, policy: &BatchPolicy) -> Result<(), RuntimeError> {
    let blank = encoders.blank();
    for rows in policy.row_buckets(Modality::Image) {
        encoders.encode_images(&[&blank], rows)?;
    }
    for length in policy.length_buckets(encoders.context_length()) {
        for rows in policy.row_buckets(Modality::Text) {
            encoders.encode_texts(&[&[]], rows, length)?;
        }
    }
    Ok(())
}

/// Starts a worker. It ends when the queue is closed and empty.
pub fn spawn(
    name: String,
    encoders: Encoders,
    policy: BatchPolicy,
    queue: Arc<Queue>,
    health: Arc<Health>,
    metrics: Arc<Metrics>,
) -> std::io::Result<JoinHandle<()>> {
    std::thread::Builder::new().name(name).spawn(move || {
        health.worker_started();
        let mut worker = Worker {
            encoders,
            policy,
            queue: queue.clone(),
            metrics,
        };
        let _watch = DeathWatch {
            queue: queue.clone(),
            health,
        };
        while let Some(batch) = queue.take() {
            worker.answer(batch);
        }
    })
}

/// Reports a worker that unwinds. Its batch is answered by the dropped reply channels.
struct DeathWatch {
    queue: Arc<Queue>,
    health: Arc<Health>,
}

impl Drop for DeathWatch {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            return; // ended because the queue was closed
        }
        tracing::error!("a worker died; the server is no longer ready");
        if self.health.worker_died() == 0 {
            self.queue.fail_all(&EngineError::Dead);
        }
    }
}

struct Worker {
    encoders: Encoders,
    policy: BatchPolicy,
    queue: Arc<Queue>,
    metrics: Arc<Metrics>,
}

impl Worker {
    fn answer(&mut self, batch: Batch) {
        let Batch {
            group,
            modality,
            lane,
            jobs,
            taken,
        } = batch;
        tracing::trace!(
            modality = modality.name(),
            lane = lane.name(),
            items = jobs.len(),
            "batch"
        );
        self.metrics.batch_size(modality).observe(jobs.len() as f64);
        let started = Instant::now();
        let result = self.run(modality, &jobs);
        self.queue
            .record(group, jobs.len(), started.elapsed().as_secs_f64());
        match result {
            Ok(embeddings) => jobs
                .into_iter()
                .zip(embeddings)
                .for_each(|(job, embedding)| job.succeed(embedding, taken, started)),
            Err(error) if jobs.len() == 1 => self.fail(jobs, &error),
            Err(error) => {
                // One item may be to blame: it must not take the others with it.
                tracing::warn!(%error, items = jobs.len(), "a batch failed; its items are run one by one");
                for job in jobs {
                    match self.run(modality, std::slice::from_ref(&job)) {
                        Ok(embeddings) => embeddings
                            .into_iter()
                            .zip([job])
                            .for_each(|(e, job)| job.succeed(e, taken, started)),
                        Err(error) => self.fail(vec![job], &error),
                    }
                }
            }
        }
    }

    fn run(&mut self, modality: Modality, jobs: &[Job]) -> Result<Vec<Embedding>, RuntimeError> {
        let started = Instant::now();
        let result = match modality {
            Modality::Image => {
                let pixels = jobs.iter().filter_map(|job| match &job.input {
                    Input::Image(pixels) => Some(pixels),
                    Input::Text(_) => None,
                });
                let rows = self.policy.rows(modality, jobs.len());
                self.encoders
                    .encode_images(&pixels.collect::<Vec<_>>(), rows)
            }
            Modality::Text => {
                let texts = jobs.iter().filter_map(|job| match &job.input {
                    Input::Text(ids) => Some(ids.as_slice()),
                    Input::Image(_) => None,
                });
                let texts: Vec<_> = texts.collect();
                let longest = texts.iter().map(|ids| ids.len()).max().unwrap_or(0);
                let rows = self.policy.rows(modality, jobs.len());
                self.encoders
                    .encode_texts(&texts, rows, self.policy.length(longest))
            }
        };
        self.metrics
            .inference_seconds(modality)
            .observe(started.elapsed().as_secs_f64());
        result
    }

    fn fail(&self, jobs: Vec<Job>, error: &RuntimeError) {
        for job in jobs {
            job.span
                .in_scope(|| tracing::error!(%error, "inference failed"));
            self.metrics.inference_failures.inc();
            job.fail(EngineError::Inference(error.to_string()));
        }
    }
}
