//! The sessions of a model's workers: loaded one after another, verified with the golden check, warmed up, and rebuilt if
//! one fails.

use std::sync::Arc;

use super::error::LoadError;
use super::precision::{Choice, choices};
use super::prepare::Preparer;
use super::session_source::{SessionSource, settings_of};
use super::settings::EngineSettings;
use crate::bundle::Bundle;
use crate::runtime::{Device, Encoders, VariantWeights};

/// Verified and warm sessions of every worker, with the first choice that works. A choice of `auto` that fails is replaced
/// by the next one, with a warning; a precision requested by name is not.
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
                tracing::warn!(%error, precision, "this precision does not run on this machine; trying the next one");
            }
            Err(error) => return Err(error),
        }
    }
    Err(LoadError::NoSuchPrecision {
        model: bundle.manifest.name.clone(),
        precision: precision.to_owned(),
        available: "none that runs on this machine".to_owned(),
    })
}

fn load_all(
    bundle: &Arc<Bundle>,
    choice: &Choice,
    settings: &EngineSettings,
    preparer: &Arc<Preparer>,
) -> Result<Vec<(Encoders, SessionSource)>, LoadError> {
    let mut all = Vec::new();
    // OpenVINO compiles its own graphs, and each GPU needs its own copy. Sharing keeps the file's values in addition to
    // their packed form, so it pays from the third session on: ViT-B/32 takes 835 MB with one session, 1,664 MB with two
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
            // One after another: concurrent loads would compete for memory and cores.
            all.push((source.load(shared.as_ref())?, source.clone()));
        }
    }
    Ok(all)
}
