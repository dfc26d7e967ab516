//! Threads for work that would block the asynchronous runtime: decoding, resizing, tokenising.

use std::collections::VecDeque;
use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::oneshot;

use super::{EngineError, Lane};
use crate::preprocess::Stop;
use crate::telemetry::Metrics;

/// A pool of named threads. A free thread takes interactive work first; within a lane the requests take turns, so that one
/// of many items does not hold up one of few. Work whose requester is gone by its turn is skipped.
#[derive(Debug, Clone)]
pub struct CpuPool {
    pool: Arc<rayon::ThreadPool>,
    waiting: Arc<Waiting>,
    metrics: Arc<Metrics>,
}

type Work = Box<dyn FnOnce() + Send>;

/// Whose work it is: pieces with the same turn are taken in order, and different turns alternate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Turn(u64);

impl Turn {
    /// For a new request.
    pub fn next() -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        Self(NEXT.fetch_add(1, Ordering::Relaxed))
    }
}

/// Work by lane and by request, the request whose turn is next first. Whoever puts work in also spawns a thread's turn, and
/// that takes whatever is most urgent by then.
#[derive(Default)]
struct Waiting(Mutex<[Requests; 2]>);

/// The pieces of each request.
type Requests = VecDeque<(Turn, VecDeque<Work>)>;

impl Waiting {
    fn put(&self, lane: Lane, turn: Turn, work: Work) {
        let mut lanes = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let requests = &mut lanes[lane as usize];
        // A request puts all of its pieces in at once: it is the last one, if it is there.
        match requests.iter_mut().rev().find(|(known, _)| *known == turn) {
            Some((_, pieces)) => pieces.push_back(work),
            None => requests.push_back((turn, VecDeque::from([work]))),
        }
    }

    fn take(&self) -> Option<Work> {
        let mut lanes = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let requests = lanes.iter_mut().find(|requests| !requests.is_empty())?;
        let (turn, mut pieces) = requests.pop_front()?;
        let work = pieces.pop_front();
        if !pieces.is_empty() {
            requests.push_back((turn, pieces));
        }
        work
    }
}

/// Sets its flag when it is dropped: with the future that waits for a piece of work.
struct Waiter(Arc<AtomicBool>);

impl Drop for Waiter {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

impl fmt::Debug for Waiting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Waiting")
    }
}

impl CpuPool {
    /// Starts `threads` threads.
    ///
    /// # Errors
    /// If the system refuses a thread.
    pub fn new(threads: usize, metrics: Arc<Metrics>) -> std::io::Result<Self> {
        let pool = rayon::ThreadPoolBuilder::new()
            .num_threads(threads)
            .thread_name(|i| format!("prepare-{i}"))
            .build()
            .map_err(std::io::Error::other)?;
        Ok(Self {
            pool: Arc::new(pool),
            waiting: Arc::default(),
            metrics,
        })
    }

    /// Runs `work` on the pool in its request's turn and gives its result. Work whose future is dropped before its turn never
    /// runs; work that runs by then is told by the [`Stop`] that it is given.
    ///
    /// # Errors
    /// [`EngineError::Inference`] if the work panicked; the pool lives on.
    pub async fn run<T: Send + 'static>(
        &self,
        lane: Lane,
        turn: Turn,
        work: impl FnOnce(&Stop) -> T + Send + 'static,
    ) -> Result<T, EngineError> {
        let (sender, receiver) = oneshot::channel();
        self.metrics.prepare_pending.inc();
        let metrics = self.metrics.clone();
        let waiter = Waiter(Arc::default());
        let stop = Stop::when(waiter.0.clone());
        self.waiting.put(
            lane,
            turn,
            Box::new(move || {
                metrics.prepare_pending.dec();
                if sender.is_closed() {
                    return;
                }
                // A panic in a decoder is that item's failure, not the process's.
                let work = std::panic::AssertUnwindSafe(|| work(&stop));
                if let Ok(result) = std::panic::catch_unwind(work) {
                    let _ = sender.send(result);
                }
            }),
        );
        let waiting = self.waiting.clone();
        self.pool.spawn_fifo(move || {
            if let Some(work) = waiting.take() {
                work();
            }
        });
        let result = receiver.await;
        drop(waiter);
        result.map_err(|_| {
            EngineError::Inference("preparing the item failed unexpectedly".to_owned())
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn interactive_work_overtakes_bulk_work() {
        let pool = CpuPool::new(1, Arc::new(Metrics::new().unwrap())).unwrap();
        let order = Arc::new(Mutex::new(Vec::new()));
        let (hold, held) = std::sync::mpsc::channel::<()>();
        // One piece of work keeps the only thread busy while the others queue up.
        let busy = pool.run(Lane::Bulk, Turn::next(), move |_| held.recv().unwrap());
        let note = |name: &'static str| {
            let order = order.clone();
            move |_: &Stop| order.lock().unwrap().push(name)
        };
        let release = async {
            while pool.metrics.prepare_pending.get() < 2 {
                tokio::task::yield_now().await;
            }
            hold.send(()).unwrap();
        };
        let (first, second) = (
            pool.run(Lane::Bulk, Turn::next(), note("bulk")),
            pool.run(Lane::Interactive, Turn::next(), note("interactive")),
        );
        let (busy, first, second, ()) = tokio::join!(busy, first, second, release);
        assert!(busy.is_ok() && first.is_ok() && second.is_ok());
        assert_eq!(*order.lock().unwrap(), ["interactive", "bulk"]);
    }

    #[test]
    fn requests_take_turns() {
        let waiting = Waiting::default();
        let order = Arc::new(Mutex::new(String::new()));
        let (large, small) = (Turn::next(), Turn::next());
        for (turn, name) in [
            (large, 'L'),
            (large, 'L'),
            (large, 'L'),
            (small, 's'),
            (small, 's'),
        ] {
            let order = order.clone();
            let work = Box::new(move || order.lock().unwrap().push(name));
            waiting.put(Lane::Interactive, turn, work);
        }
        while let Some(work) = waiting.take() {
            work();
        }
        assert_eq!(*order.lock().unwrap(), "LsLsL");
    }

    #[tokio::test]
    async fn work_is_told_that_nobody_waits_any_more() {
        let pool = CpuPool::new(1, Arc::new(Metrics::new().unwrap())).unwrap();
        let (begun, began) = oneshot::channel();
        let (sender, told) = oneshot::channel();
        let work = move |stop: &Stop| {
            begun.send(()).unwrap();
            while !stop.is_gone() {
                std::thread::yield_now();
            }
            sender.send(()).unwrap();
        };
        let mut running = Box::pin(pool.run(Lane::Interactive, Turn::next(), work));
        tokio::select! {
            _ = &mut running => unreachable!("it runs until it is told"),
            began = began => began.unwrap(),
        }
        drop(running);
        told.await.unwrap();
        assert_eq!(
            pool.run(Lane::Interactive, Turn::next(), Stop::is_gone)
                .await,
            Ok(false)
        );
    }

    #[tokio::test]
    async fn a_panic_is_one_item_s_failure() {
        let pool = CpuPool::new(1, Arc::new(Metrics::new().unwrap())).unwrap();
        let failed = pool
            .run(Lane::Interactive, Turn::next(), |_| {
                panic!("a decoder's bug")
            })
            .await;
        assert!(matches!(failed, Err::<(), _>(EngineError::Inference(_))));
        assert_eq!(
            pool.run(Lane::Interactive, Turn::next(), |_| 7).await,
            Ok(7)
        );
    }
}
