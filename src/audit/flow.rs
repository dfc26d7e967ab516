//! A thread reads ahead a little, many records are measured at a time, and what is told of them is added in their order.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;

use anyhow::{Context, bail};
use futures_util::StreamExt;
use indicatif::ProgressBar;
use tokio::sync::{Semaphore, mpsc};

use super::measure::{Measured, Measurer};
use super::record::{Found, LeftOut, Picture, Place, Problem, Record};
use super::set::Set;
use super::sources::{Sink, Source};
use crate::cli::embed::flow::at_a_time;
use crate::engine::{EngineError, EngineSettings};

/// Records that are read before there is work for them.
const READ_AHEAD: usize = 8;
/// Encoded images that are being worked on, together, for each core.
const KIB_A_CORE: usize = 32 << 10;

/// The user has asked for the end.
#[derive(Debug, thiserror::Error)]
#[error("stopped; no report was written")]
pub struct Interrupted;

/// How many records are measured at a time. Each may have four items in the engine's queue.
pub fn records_at_a_time(settings: &EngineSettings) -> usize {
    at_a_time(settings).div_ceil(2)
}

/// Reads a data set into a [`Set`]; captions that `train` has are noted as leaked.
///
/// # Errors
/// If the engine fails, or the user wants an end.
pub async fn read_set(
    measurer: &Measurer,
    sources: Vec<Source>,
    limit: Option<u64>,
    set: &mut Set,
    train: Option<&Set>,
    (at_a_time, progress, stop): (usize, &ProgressBar, &AtomicBool),
) -> anyhow::Result<()> {
    let (sender, mut receiver) = mpsc::channel(READ_AHEAD);
    let mut sink = Sink::new(sender, limit);
    // It ends when the receiver is gone.
    let reader = std::thread::Builder::new()
        .name("read".to_owned())
        .spawn(move || {
            let _ = sources.iter().try_for_each(|source| source.read(&mut sink));
        })
        .context("cannot start a thread")?;
    let most_kib = KIB_A_CORE * num_cpus::get();
    let memory = Arc::new(Semaphore::new(most_kib));
    let found = futures_util::stream::poll_fn(move |context| receiver.poll_recv(context));
    let results = found
        // One after the other and before the crowd: so a record never waits for memory that a later one has.
        .then(|found| {
            let memory = memory.clone();
            async move {
                let kib = kib(&found).min(most_kib);
                let room = memory
                    .acquire_many_owned(u32::try_from(kib).unwrap_or(u32::MAX))
                    .await;
                (found, room)
            }
        })
        .map(|(found, room)| async move {
            let result = match found {
                Found::Record(record) => {
                    Measurement::Record(Box::new(measurer.measure(*record).await?))
                }
                Found::Broken(place, problem) => Measurement::Broken(place, problem),
                Found::LeftOut(place, why) => Measurement::LeftOut(place, why),
            };
            drop(room);
            Ok::<_, EngineError>(result)
        })
        .buffered(at_a_time);
    let mut results = std::pin::pin!(results);
    while let Some(result) = results.next().await {
        if stop.load(Ordering::Relaxed) {
            return Err(Interrupted.into());
        }
        match result.context("the engine failed")? {
            Measurement::Record(measured) => set.add(*measured, train)?,
            Measurement::Broken(place, problem) => set.broken(&place.to_string(), problem),
            Measurement::LeftOut(place, why) => {
                set.left_out(place.to_string(), why);
                continue;
            }
        }
        progress.inc(1);
    }
    whole(reader)
}

/// What became of one thing that a source found.
enum Measurement {
    Record(Box<Measured>),
    Broken(Place, Problem),
    LeftOut(Place, LeftOut),
}

/// Waits for the thread that reads. Half a set must not pass for a whole one.
fn whole(reader: JoinHandle<()>) -> anyhow::Result<()> {
    match reader.join() {
        Ok(()) => Ok(()),
        Err(_) => bail!("an input broke the reader: the rest of the set is not read"),
    }
}

fn kib(found: &Found) -> usize {
    let of_picture = |record: &Record| {
        let bytes = record.sides.iter().map(|side| match &side.image {
            Ok(Picture::Bytes(bytes)) => bytes.len(),
            // Read and decoded at once, by as many as there are cores.
            Ok(Picture::File(_)) | Err(_) => 0,
        });
        bytes.sum::<usize>().div_ceil(1024)
    };
    match found {
        Found::Record(record) => of_picture(record),
        Found::Broken(..) | Found::LeftOut(..) => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reader_that_died_is_an_error() {
        let read = |broken: bool| std::thread::spawn(move || assert!(!broken, "an input"));
        assert!(whole(read(false)).is_ok());
        let said = whole(read(true)).unwrap_err().to_string();
        assert!(said.contains("broke the reader"), "{said}");
    }
}
