//! A session of features with a thread on each core, for an image that has the machine to itself: a camera that sends one
//! picture after another would wait for one core while the others are idle.
//!
//! As with the encoders (`engine::wide`), a measurement decides when the sessions are loaded.

use std::time::Instant;

use parking_lot::Mutex;

use super::super::wide::{self, LEAST_GAIN};
use crate::preprocess::Pixels;
use crate::runtime::{FeatureMap, FeatureSession, RuntimeError};

/// Runs per measurement.
const RUNS: usize = 3;

/// How many times faster a session with more threads runs one image of this size.
///
/// # Errors
/// [`RuntimeError`] of a run.
pub fn gain(
    narrow: &mut FeatureSession,
    wide_session: &mut FeatureSession,
    size @ [height, width]: [usize; 2],
) -> Result<f64, RuntimeError> {
    let black = Pixels::U8(vec![0; height * width * 3]);
    wide::gain([narrow, wide_session], RUNS, |session| {
        let started = Instant::now();
        session.run(&[&black], size)?;
        Ok(started.elapsed().as_secs_f64())
    })
}

/// The wide session of a model. One image at a time uses it.
#[derive(Debug)]
pub struct WideFeatures {
    /// `None` after it failed on an image that a worker's session could run.
    session: Mutex<Option<FeatureSession>>,
}

impl WideFeatures {
    /// `None` if the session does not gain enough.
    pub fn new(session: FeatureSession, gain: f64) -> Option<Self> {
        (gain >= LEAST_GAIN).then(|| Self {
            session: Mutex::new(Some(session)),
        })
    }

    /// The maps of an image that is alone. `None` if the session is in use or was given up.
    ///
    /// # Errors
    /// [`RuntimeError`]: the image has to be run by a worker's own session, which finds the cause.
    pub fn run(
        &self,
        pixels: &Pixels,
        size: [usize; 2],
    ) -> Option<Result<Vec<FeatureMap>, RuntimeError>> {
        let mut session = self.session.try_lock()?;
        let maps = session.as_mut()?.run(&[pixels], size);
        Some(maps.map(|maps| maps.into_iter().flatten().collect()))
    }

    /// Gives the session up, because it failed on an image that another session could run.
    pub fn give_up(&self, error: &RuntimeError) {
        if self.session.lock().take().is_some() {
            tracing::error!(%error, "the session of features with a thread on each core failed; only the workers' own are used from now on");
        }
    }
}
