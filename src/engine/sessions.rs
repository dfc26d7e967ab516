//! The sessions of a model's workers: loaded one after the other, proved by the golden check, warm, and rebuilt when
//! one has died.

use std::sync::Arc;

use super::batching::BatchPolicy;
use super::golden::check_golden;
use super::model::{EngineSettings, LoadError};
use super::precision::{Choice, choices};
use super::prepare::Preparer;
use super::worker;
use crate::bundle::Bundle;
use crate::runtime::{Device, Encoders, SessionSettings, VariantWeights};

/// Where the sessions of one worker come from.
#[derive(Debug, Clone)]
pub struct SessionSource {
    bundle: Arc<Bundle>,
    choice: Choice,
    settings: SessionSettings,
    batching: BatchPolicy,
    preparer: Arc<Preparer>,
}

impl SessionSource {
    /// Sessions that have shown that they compute what training computed, warm.
    fn load(&self, shared: Option<&VariantWeights>) -> Result<Encoders, LoadError> {
        let variant = &self.choice.variant;
        let mut encoders = Encoders::load(&self.bundle, variant, &self.settings, shared)?;
        check_golden(&self.bundle, variant, &self.preparer, &mut encoders)?;
        worker::warm_up(&mut encoders, &self.batching)?;
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

/// Sessions of every worker, proved and warm, at the first choice that works. What was only `auto`'s choice gives way
/// to the next one, with a warning; what was asked for by name does not.
pub fn start(
    bundle: &Arc<Bundle>,
    precision: &str,
    settings: &EngineSettings,
    preparer: &Arc<Preparer>,
) -> Result<(Choice, Vec<(Encoders, SessionSource)>), LoadError> {
    let mut choices = choices(bundle, precision, settings.device())?
        .into_iter()
        .peekable();
    while let Some(choice) = choices.next() {
        match load_all(bundle, &choice, settings, preparer) {
            Ok(encoders) => return Ok((choice, encoders)),
            Err(error) if choices.peek().is_some() => {
                let precision = &choice.variant.precision;
                tracing::warn!(%error, precision, "this precision does not run here; the next one is tried");
            }
            Err(error) => return Err(error),
        }
    }
    Err(LoadError::NoSuchPrecision {
        model: bundle.manifest.name.clone(),
        precision: precision.to_owned(),
        available: "none that runs here".to_owned(),
    })
}

fn load_all(
    bundle: &Arc<Bundle>,
    choice: &Choice,
    settings: &EngineSettings,
    preparer: &Arc<Preparer>,
) -> Result<Vec<(Encoders, SessionSource)>, LoadError> {
    let mut all = Vec::new();
    // OpenVINO compiles graphs of its own, and each card needs its copy. What is shared keeps the file's values beside what
    // is packed of them, so that it pays from the third session on: ViT-B/32 takes 835 MB with one session, 1,664 MB with two
    // that share and 1,766 MB with four.
    let can_share = settings.device() == Device::Cpu && !choice.bf16();
    let shared = (can_share && settings.workers_on(Device::Cpu) > 2)
        .then(|| VariantWeights::read(bundle, &choice.variant))
        .transpose()?;
    for device in &settings.devices {
        let source = SessionSource {
            bundle: bundle.clone(),
            choice: choice.clone(),
            settings: settings_of(settings, choice, *device),
            batching: settings.batching.for_variant(&choice.variant),
            preparer: preparer.clone(),
        };
        for _ in 0..settings.workers_on(*device) {
            // One after the other: sessions made at the same time fight over memory and cores.
            all.push((source.load(shared.as_ref())?, source.clone()));
        }
    }
    Ok(all)
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
