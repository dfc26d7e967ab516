//! Sessions with one thread on each core, for a batch that has the machine to itself.
//!
//! Under load, workers whose sessions have one thread each answer the most items per second. A batch that is alone would
//! leave all other cores idle with them, so it runs here. Whether that is faster is measured when the model is loaded, for
//! each encoder: the operators of a small model take less time than waking the threads.

use std::time::Instant;

use parking_lot::Mutex;

use super::batch_run;
use super::batching::BatchPolicy;
use super::job::{Job, Modality};
use crate::runtime::{Encoded, Encoders, RuntimeError};
use crate::telemetry::Metrics;

/// A gain below this is not worth the cores that other work may need at the same time.
pub const LEAST_GAIN: f64 = 1.2;
/// Runs per measurement; the fastest one counts, because other programs only ever slow a run down.
const RUNS: usize = 5;
/// Tokens of the measured text: a short caption.
const TOKENS: usize = 16;

/// How many times faster the wide sessions run an item that is alone.
#[derive(Debug, Clone, Copy)]
pub struct Gains {
    image: f64,
    text: f64,
}

impl Gains {
    /// Measures a worker's sessions against wide ones.
    ///
    /// # Errors
    /// [`RuntimeError`] of a run.
    pub fn measure(narrow: &mut Encoders, wide: &mut Encoders) -> Result<Self, RuntimeError> {
        let mut gain = |modality| {
            gain([&mut *narrow, &mut *wide], RUNS, |encoders| {
                seconds(encoders, modality)
            })
        };
        Ok(Self {
            image: gain(Modality::Image)?,
            text: gain(Modality::Text)?,
        })
    }

    /// The gain of an encoder.
    pub fn of(self, modality: Modality) -> f64 {
        match modality {
            Modality::Image => self.image,
            Modality::Text => self.text,
        }
    }

    /// Whether an encoder gains enough to run a batch that is alone.
    fn pays(self, modality: Modality) -> bool {
        self.of(modality) >= LEAST_GAIN
    }

    /// Whether any encoder gains enough.
    pub fn pay(self) -> bool {
        self.pays(Modality::Image) || self.pays(Modality::Text)
    }
}

/// How many times faster the second of two sessions runs; `seconds` is the time of one run. The fastest of the runs counts,
/// and they are in turns, so that a change of the machine's speed meets both.
///
/// # Errors
/// [`RuntimeError`] of a run.
pub fn gain<S>(
    [narrow, wide]: [&mut S; 2],
    runs: usize,
    mut seconds: impl FnMut(&mut S) -> Result<f64, RuntimeError>,
) -> Result<f64, RuntimeError> {
    let mut best = [f64::INFINITY; 2];
    for _ in 0..runs {
        for (best, session) in best.iter_mut().zip([&mut *narrow, &mut *wide]) {
            *best = best.min(seconds(session)?);
        }
    }
    Ok(best[0] / best[1])
}

fn seconds(encoders: &mut Encoders, modality: Modality) -> Result<f64, RuntimeError> {
    let blank = encoders.blank();
    let started = Instant::now();
    match modality {
        Modality::Image => encoders.encode_images(&[&blank], 1)?,
        Modality::Text => encoders.encode_texts(&[&encoders.shortest_text()], 1, TOKENS)?,
    };
    Ok(started.elapsed().as_secs_f64())
}

/// The wide sessions of a model. One batch at a time uses them.
pub struct WideSessions {
    /// `None` after they failed on a batch that a worker's sessions could run.
    encoders: Mutex<Option<Encoders>>,
    gains: Gains,
    policy: BatchPolicy,
}

impl WideSessions {
    /// Loaded and verified sessions, with their measured gains.
    pub fn new(encoders: Encoders, gains: Gains, policy: BatchPolicy) -> Self {
        Self {
            encoders: Mutex::new(Some(encoders)),
            gains,
            policy,
        }
    }

    /// The gain of an encoder.
    pub fn gain(&self, modality: Modality) -> f64 {
        self.gains.of(modality)
    }

    /// Runs a batch that is alone. `None` if the sessions are in use, do not gain enough, or were given up.
    ///
    /// # Errors
    /// [`RuntimeError`]: the batch has to be run by a worker's own sessions, which find the cause.
    pub fn run(
        &self,
        modality: Modality,
        jobs: &[Job],
        metrics: &Metrics,
    ) -> Option<Result<(Vec<Encoded>, f64), RuntimeError>> {
        if !self.gains.pays(modality) {
            return None;
        }
        let mut encoders = self.encoders.try_lock()?;
        let encoders = encoders.as_mut()?;
        let started = Instant::now();
        let result = batch_run::run(encoders, &self.policy, modality, jobs);
        let seconds = started.elapsed().as_secs_f64();
        metrics.inference_seconds(modality).observe(seconds);
        metrics.wide_batches(modality).inc();
        Some(result.map(|encoded| (encoded, seconds)))
    }

    /// Gives the sessions up, because they failed on a batch that other sessions could run.
    pub fn give_up(&self, error: &RuntimeError) {
        if self.encoders.lock().take().is_some() {
            tracing::error!(%error, "the sessions with a thread on each core failed; only the workers' own are used from now on");
        }
    }
}
