//! The sessions of a model: those of its workers, and those that use all cores. They are loaded one after another, verified
//! with the golden check and warmed up.

use std::sync::Arc;

use super::error::LoadError;
use super::job::Modality;
use super::precision::{Choice, choices};
use super::prepare::Preparer;
use super::session_source::{SessionSource, settings_of};
use super::settings::EngineSettings;
use super::wide::{Gains, WideSessions};
use crate::bundle::Bundle;
use crate::runtime::{Device, Encoders, SessionSettings, VariantWeights};

/// The sessions that a worker uses.
pub struct WorkerSessions {
    /// Its own.
    pub own: Encoders,
    /// The source that can replace them.
    pub source: SessionSource,
    /// Those for a batch that is alone, which all workers share, if they are faster.
    pub wide: Option<Arc<WideSessions>>,
}

/// Verified and warm sessions of every worker, with the first choice that works. A choice of `auto` that fails is replaced
/// by the next one, with a warning; a precision requested by name is not.
pub fn start(
    bundle: &Arc<Bundle>,
    precision: &str,
    settings: &EngineSettings,
    preparer: &Arc<Preparer>,
) -> Result<(Choice, Vec<WorkerSessions>), LoadError> {
    let mut choices = choices(bundle, precision, settings.device())?
        .into_iter()
        .peekable();
    while let Some(choice) = choices.next() {
        match load_all(bundle, &choice, settings, preparer) {
            Ok(workers) => return Ok((choice, workers)),
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
) -> Result<Vec<WorkerSessions>, LoadError> {
    let mut workers = Vec::new();
    // OpenVINO compiles its own graphs, and each GPU needs its own copy. Sharing keeps the file's values in addition to
    // their packed form, so it pays from the third session on: ViT-B/32 takes 835 MB with one session, 1,664 MB with two
    // that share and 1,766 MB with four.
    let can_share = settings.device() == Device::Cpu && !choice.bf16();
    let wide_threads = if can_share { settings.wide_threads } else { 1 };
    let pairs = settings.workers_on(Device::Cpu) + usize::from(wide_threads > 1);
    let shared = (can_share && pairs > 2)
        .then(|| VariantWeights::read(bundle, &choice.variant))
        .transpose()?;
    let source_on = |device, threads| SessionSource {
        bundle: bundle.clone(),
        choice: choice.clone(),
        settings: SessionSettings {
            threads,
            ..settings_of(settings, choice, device)
        },
        batching: settings.batching.for_variant(&choice.variant),
        preparer: preparer.clone(),
    };
    for device in &settings.devices {
        let source = source_on(*device, settings.threads_per_worker);
        for _ in 0..settings.workers_on(*device) {
            // One after another: concurrent loads would compete for memory and cores.
            workers.push(WorkerSessions {
                own: source.load(shared.as_ref())?,
                source: source.clone(),
                wide: None,
            });
        }
    }
    if let (Some(worker), true) = (workers.first_mut(), wide_threads > 1) {
        let source = source_on(Device::Cpu, wide_threads);
        let wide = source.load(shared.as_ref())?;
        let wide = faster(wide, &mut worker.own, &source)?.map(Arc::new);
        for worker in &mut workers {
            worker.wide.clone_from(&wide);
        }
    }
    Ok(workers)
}

/// The wide sessions, if an encoder gains enough by them; the log says what was measured.
fn faster(
    mut wide: Encoders,
    narrow: &mut Encoders,
    source: &SessionSource,
) -> Result<Option<WideSessions>, LoadError> {
    let gains = Gains::measure(narrow, &mut wide)?;
    tracing::info!(
        model = source.bundle.manifest.name,
        threads = source.settings.threads,
        image_gain = gains.of(Modality::Image),
        text_gain = gains.of(Modality::Text),
        used = gains.pay(),
        "measured sessions with more threads, for a batch that is alone"
    );
    Ok(gains
        .pay()
        .then(|| WideSessions::new(wide, gains, source.batching)))
}
