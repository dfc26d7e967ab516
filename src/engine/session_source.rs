//! Where the sessions of a worker come from: loaded, proved by the golden check, and warm.

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

/// Where the sessions of one worker come from.
#[derive(Debug, Clone)]
pub struct SessionSource {
    pub bundle: Arc<Bundle>,
    pub choice: Choice,
    pub settings: SessionSettings,
    pub batching: BatchPolicy,
    pub preparer: Arc<Preparer>,
}

impl SessionSource {
    /// Sessions that have shown that they compute what training computed, warm.
    ///
    /// # Errors
    /// [`LoadError`] if a graph cannot be loaded, or computes something else.
    pub fn load(&self, shared: Option<&VariantWeights>) -> Result<Encoders, LoadError> {
        let variant = &self.choice.variant;
        let mut encoders = Encoders::load(&self.bundle, variant, &self.settings, shared)?;
        check_golden(&self.bundle, variant, &self.preparer, &mut encoders)?;
        warm_up(&mut encoders, &self.batching)?;
        Ok(encoders)
    }

    /// Sessions in the place of some that died, with weights of their own. The files may have changed since the server
    /// started: nothing but what the manifest named then is loaded.
    ///
    /// # Errors
    /// [`LoadError`] if a file was changed, or for the cause that the old sessions died of.
    pub fn load_again(&self) -> Result<Encoders, LoadError> {
        self.bundle.verify()?;
        self.load(None)
    }
}

/// Runs every shape that the policy lets a batch have, the largest first, so that no request pays for a first time.
///
/// # Errors
/// Errors of a run: a card without memory for its largest batch is found here.
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

/// How a choice's sessions on a device are made.
pub fn settings_of(settings: &EngineSettings, choice: &Choice, device: Device) -> SessionSettings {
    SessionSettings {
        threads: settings.threads_per_worker,
        device,
        bf16: choice.bf16(),
        cuda: settings.cuda,
    }
}
