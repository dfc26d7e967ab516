//! The sessions of a model's workers: loaded one after the other, proved by the golden check, warm, and rebuilt when
//! one has died.

use std::sync::Arc;

use super::error::LoadError;
use super::precision::{Choice, choices};
use super::prepare::Preparer;
use super::session_source::{SessionSource, settings_of};
use super::settings::EngineSettings;
use crate::bundle::Bundle;
use crate::runtime::{Device, Encoders, VariantWeights};

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
