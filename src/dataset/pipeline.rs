//! The bulk pipeline: a thread reads ahead a little, many items are processed at a time, and their results arrive in reading
//! order.

use std::sync::Arc;

use anyhow::{Context, bail};
use futures_util::StreamExt;
use tokio::sync::{Semaphore, mpsc};

use crate::engine::{
    EmbedError, EmbedOptions, Encoding, EngineError, EngineSettings, Item, Lane, Model,
};

/// Number of items that are read ahead.
const READ_AHEAD: usize = 8;
/// KiB of encoded images in flight for each core: several photographs. An item larger than the whole limit is processed
/// alone.
const KIB_A_CORE: u32 = 32 << 10;

/// The receiver was dropped: the work has ended early.
#[derive(Debug)]
pub struct Closed;

/// The queue for the items of a reader.
#[derive(Debug)]
pub struct Sender<T>(mpsc::Sender<T>);

impl<T> Sender<T> {
    /// Sends an item, and blocks while enough is in flight.
    ///
    /// # Errors
    /// If the receiver was dropped.
    pub fn send(&self, thing: T) -> Result<(), Closed> {
        self.0.blocking_send(thing).map_err(|_| Closed)
    }
}

/// Number of items embedded at a time: enough to fill a batch on every worker while as many are being decoded.
pub fn at_a_time(settings: &EngineSettings) -> usize {
    let batch = settings.batching.images.max(settings.batching.texts);
    4 * num_cpus::get() * batch
}

/// Reads items, processes them and passes on the results, in order. `read` runs in its own thread, and its result is
/// returned once all its items are processed. `bytes` gives the memory of an item in flight. At most `at_a_time` items are
/// in flight, within a limit on their memory.
///
/// # Errors
/// The error of `take`, at once; or an error if the thread cannot start or panics, because a part of the input must not pass
/// for all of it.
pub async fn run<T, R, W, Done>(
    at_a_time: usize,
    read: impl FnOnce(Sender<T>) -> Done + Send + 'static,
    bytes: impl Fn(&T) -> u64,
    work: impl Fn(T) -> W,
    mut take: impl FnMut(R) -> anyhow::Result<()>,
) -> anyhow::Result<Done>
where
    T: Send + 'static,
    W: Future<Output = R>,
    Done: Send + 'static,
{
    let (sender, mut receiver) = mpsc::channel(READ_AHEAD);
    let reader = std::thread::Builder::new()
        .name("read".to_owned())
        .spawn(move || read(Sender(sender)))
        .context("cannot start a thread")?;
    let most_kib = KIB_A_CORE.saturating_mul(u32::try_from(num_cpus::get()).unwrap_or(1));
    let memory = Arc::new(Semaphore::new(most_kib as usize));
    let things = futures_util::stream::poll_fn(move |context| receiver.poll_recv(context));
    let results = things
        // Memory is reserved in order, before the items run concurrently, so an item never waits for memory that a later one
        // holds.
        .then(|thing| {
            let kib = u32::try_from(bytes(&thing).div_ceil(1024)).unwrap_or(most_kib);
            let memory = memory.clone();
            async move {
                // The semaphore is never closed.
                let permit = memory.acquire_many_owned(kib.min(most_kib)).await.ok();
                (thing, permit)
            }
        })
        .map(|(thing, permit)| {
            let working = work(thing);
            async move {
                let result = working.await;
                drop(permit);
                result
            }
        })
        .buffered(at_a_time);
    let mut results = std::pin::pin!(results);
    while let Some(result) = results.next().await {
        take(result)?;
    }
    match reader.join() {
        Ok(done) => Ok(done),
        Err(_) => bail!("an input broke the reader: what comes after it was not read"),
    }
}

/// Embeds one item. The inner error is the item's own fault.
///
/// # Errors
/// If the engine fails. An input that makes inference fail would do so again at the next start, so it counts as the item's
/// fault.
pub async fn embed(
    model: &Model,
    item: Item,
    lane: Lane,
) -> Result<Result<Encoding, String>, EngineError> {
    let options = EmbedOptions {
        lane,
        ..EmbedOptions::default()
    };
    match model.embed(vec![item], options).await {
        // One item has one encoding.
        Ok(encodings) => encodings
            .into_iter()
            .next()
            .map(Ok)
            .ok_or(EngineError::Dead),
        Err(EmbedError::Item { error, .. }) => Ok(Err(error.to_string())),
        Err(EmbedError::Engine(EngineError::Inference(reason))) => Ok(Err(reason)),
        Err(EmbedError::Engine(error)) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[tokio::test]
    async fn results_are_in_order_and_memory_is_bounded() {
        let (mut found, most) = (Vec::new(), u64::from(KIB_A_CORE) << 10);
        let read = |sender: Sender<u64>| (0..50).try_for_each(|i| sender.send(i)).is_ok();
        let work = async |i: u64| {
            tokio::time::sleep(Duration::from_millis(50 - i)).await;
            i
        };
        // Some are larger than the whole limit and are processed alone.
        let bytes = |i: &u64| {
            if i.is_multiple_of(10) {
                u64::MAX
            } else {
                most / 3
            }
        };
        let take = |i| {
            found.push(i);
            Ok(())
        };
        assert!(run(16, read, bytes, work, take).await.unwrap());
        assert!(found.into_iter().eq(0..50));
    }

    #[tokio::test]
    async fn a_reader_that_died_is_an_error_and_an_end_stops_the_reader() {
        let died = |sender: Sender<u64>| {
            sender.send(1).unwrap();
            assert!(sender.send(2).is_err(), "an input");
        };
        let error = run(1, died, |_| 1, async |i: u64| i, |_| Ok(())).await;
        let said = error.unwrap_err().to_string();
        assert!(said.contains("broke the reader"), "{said}");
        let (ended, stopped) = std::sync::mpsc::channel();
        let endless = move |sender: Sender<u64>| {
            while sender.send(1).is_ok() {}
            ended.send(()).unwrap();
        };
        let error = run(1, endless, |_| 1, async |i: u64| i, |_| bail!("enough")).await;
        assert_eq!(error.unwrap_err().to_string(), "enough");
        stopped.recv_timeout(Duration::from_secs(60)).unwrap();
    }
}
