//! The source of a worker's sessions: loads them, verifies them with the golden check, and warms them up.

use std::sync::Arc;

use super::batching::BatchPolicy;
use super::error::LoadError;
use super::golden::check_golden;
use super::job::Modality;
use super::precision::Choice;
use super::prepare::Preparer;
use super::settings::EngineSettings;
use crate::bundle::Bundle;
use crate::runtime::{Device, Encoders, RuntimeError, SessionSettings, VariantWeights};

/// The source of the sessions of one worker.
#[derive(Debug, Clone)]
pub struct SessionSource {
    pub bundle: Arc<Bundle>,
    pub choice: Choice,
    pub settings: SessionSettings,
    pub batching: BatchPolicy,
    pub preparer: Arc<Preparer>,
}

impl SessionSource {
    /// Warm sessions that passed the golden check.
    ///
    /// # Errors
    /// [`LoadError`] if a graph cannot be loaded or computes other results.
    pub fn load(&self, shared: Option<&VariantWeights>) -> Result<Encoders, LoadError> {
        let variant = &self.choice.variant;
        let mut encoders = Encoders::load(&self.bundle, variant, &self.settings, shared)?;
        check_golden(&self.bundle, variant, &self.preparer, &mut encoders)?;
        warm_up(&mut encoders, &self.batching)?;
        Ok(encoders)
    }

    /// Sessions to replace failed ones, with their own weights. The files may have changed since the server started, so only
    /// files that match the manifest of that time are loaded.
    ///
    /// # Errors
    /// [`LoadError`] if a file was changed, or for the cause of the first failure.
    pub fn load_again(&self) -> Result<Encoders, LoadError> {
        self.bundle.verify()?;
        self.load(None)
    }
}

/// Runs every shape that the policy allows for a batch, the largest first, so that no request is the first one of its shape.
///
/// # Errors
/// Errors of a run: a GPU without memory for its largest batch is found here.
pub fn warm_up(encoders: &mut Encoders, policy: &BatchPolicy) -> Result<(), RuntimeError> {
    let (blank, shortest) = (encoders.blank(), encoders.shortest_text());
    for rows in policy.row_buckets(Modality::Image) {
        encoders.encode_images(&[&blank], rows)?;
    }
    for length in policy.length_buckets(encoders.context_length()) {
        for rows in policy.row_buckets(Modality::Text) {
            encoders.encode_texts(&[&shortest], rows, length)?;
        }
    }
    Ok(())
}

/// The session settings of a choice on a device.
pub fn settings_of(settings: &EngineSettings, choice: &Choice, device: Device) -> SessionSettings {
    SessionSettings {
        threads: settings.threads_per_worker,
        device,
        bf16: choice.bf16(),
        cuda: settings.cuda,
    }
}
