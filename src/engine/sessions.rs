//! The sessions of a model's workers: loaded one after the other, proved by the golden check, warm.

use super::golden::check_golden;
use super::model::{EngineSettings, LoadError};
use super::precision::{Choice, choices};
use super::prepare::Preparer;
use super::worker;
use crate::bundle::Bundle;
use crate::runtime::{Device, Encoders, SessionSettings, VariantWeights};

/// Sessions of every worker, proved and warm, at the first choice that works. What was only `auto`'s choice gives way
/// to the next one, with a warning; what was asked for by name does not.
pub fn start(
    bundle: &Bundle,
    precision: &str,
    settings: &EngineSettings,
    preparer: &Preparer,
) -> Result<(Choice, Vec<Encoders>), LoadError> {
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
    bundle: &Bundle,
    choice: &Choice,
    settings: &EngineSettings,
    preparer: &Preparer,
) -> Result<Vec<Encoders>, LoadError> {
    let mut all = Vec::new();
    // OpenVINO compiles graphs of its own, and each card needs its copy. What is shared keeps the file's values beside what
    // is packed of them, so that it pays from the third session on: ViT-B/32 takes 835 MB with one session, 1,664 MB with two
    // that share and 1,766 MB with four.
    let can_share = settings.device() == Device::Cpu && !choice.bf16();
    let shared = (can_share && settings.workers_on(Device::Cpu) > 2)
        .then(|| VariantWeights::read(bundle, &choice.variant))
        .transpose()?;
    for device in &settings.devices {
        for _ in 0..settings.workers_on(*device) {
            // One after the other: sessions made at the same time fight over memory and cores.
            let session = settings_of(settings, choice, *device);
            let mut encoders = Encoders::load(bundle, &choice.variant, &session, shared.as_ref())?;
            check_golden(bundle, &choice.variant, preparer, &mut encoders)?;
            worker::warm_up(
                &mut encoders,
                &settings.batching.for_variant(&choice.variant),
            )?;
            all.push(encoders);
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
