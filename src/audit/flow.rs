//! Reads the files of a set into a [`Set`] with the bulk pipeline.

use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::Context;
use indicatif::ProgressBar;

use super::measure::{Measured, Measurer};
use super::record::{LeftOut, Picture, Place, Problem, Record, SourceEvent};
use super::set::Set;
use super::sources::{Sink, Source};
use crate::dataset::pipeline;
use crate::engine::{EngineError, EngineSettings};

/// The user has requested a stop.
#[derive(Debug, thiserror::Error)]
#[error("stopped; no report was written")]
pub struct Interrupted;

/// Number of records measured at a time. Each may have four items in the engine's queue.
pub fn records_at_a_time(settings: &EngineSettings) -> usize {
    pipeline::at_a_time(settings).div_ceil(2)
}

/// Reads a data set into a [`Set`]. Captions that occur in `train` are recorded as leaked.
///
/// # Errors
/// If the engine fails, or if the user requests a stop.
pub async fn read_set(
    measurer: &Measurer,
    sources: Vec<Source>,
    limit: Option<u64>,
    set: &mut Set,
    train: Option<&Set>,
    (at_a_time, progress, stop): (usize, &ProgressBar, &AtomicBool),
) -> anyhow::Result<()> {
    let read = move |sender| {
        let mut sink = Sink::new(sender, limit);
        // Closed: the limit was reached, or the pipeline returns its own error.
        let _ = sources.iter().try_for_each(|source| source.read(&mut sink));
    };
    let work = async |found| {
        Ok::<_, EngineError>(match found {
            SourceEvent::Record(record) => {
                Measurement::Record(Box::new(measurer.measure(*record).await?))
            }
            SourceEvent::Broken(place, problem) => Measurement::Broken(place, problem),
            SourceEvent::LeftOut(place, why) => Measurement::LeftOut(place, why),
        })
    };
    let take = |result: Result<Measurement, EngineError>| {
        if stop.load(Ordering::Relaxed) {
            return Err(Interrupted.into());
        }
        match result.context("the engine failed")? {
            Measurement::Record(measured) => set.add(*measured, train)?,
            Measurement::Broken(place, problem) => set.broken(&place.to_string(), problem),
            Measurement::LeftOut(place, why) => {
                set.left_out(place.to_string(), why);
                return Ok(());
            }
        }
        progress.inc(1);
        Ok(())
    };
    pipeline::run(at_a_time, read, bytes, work, take).await
}

/// The result for one thing that a source found.
enum Measurement {
    Record(Box<Measured>),
    Broken(Place, Problem),
    LeftOut(Place, LeftOut),
}

/// Memory for the images of a record while it is measured.
fn bytes(found: &SourceEvent) -> u64 {
    let of_pictures = |record: &Record| {
        let bytes = record.sides.iter().map(|side| match &side.image {
            Ok(Picture::Bytes(bytes)) => bytes.len() as u64,
            // One read and decode task per core.
            Ok(Picture::File(_)) | Err(_) => 0,
        });
        bytes.sum()
    };
    match found {
        SourceEvent::Record(record) => of_pictures(record),
        SourceEvent::Broken(..) | SourceEvent::LeftOut(..) => 0,
    }
}
