//! Threads for work that would block the asynchronous runtime: decoding, resizing, tokenising.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use parking_lot::Mutex;
use tokio::sync::oneshot;

use super::error::EngineError;
use super::fair_queue::{FairQueue, Flow};
use super::job::Lane;
use crate::preprocess::Stop;
use crate::telemetry::Metrics;

/// A pool of named threads. A free thread takes interactive work first. Within a lane a `FairQueue` selects the next piece
/// of work, so neither a request with many or large items nor a tenant with many requests delays the others. Work whose
/// request was cancelled is skipped.
#[derive(Debug, Clone)]
pub struct CpuPool {
    pool: Arc<rayon::ThreadPool>,
    waiting: Arc<Waiting>,
    metrics: Arc<Metrics>,
}

type Work = Box<dyn FnOnce() + Send>;

/// Work with a larger cost in microseconds counts as long. A full HD image takes a fifth of it.
const LONG: u64 = 100_000;

/// Waiting work by lane, and counts of running work.
struct Shared {
    lanes: [FairQueue<Work>; 2],
    threads: usize,
    running: usize,
    /// Number of running pieces whose cost exceeds [`LONG`].
    long: usize,
}

impl Shared {
    /// The next piece of work for a free thread. There is one thread more than the configured number: it runs short work
    /// while all others run long work.
    fn take(&mut self) -> Option<(u64, Work)> {
        let most = match (self.running < self.threads, self.long == self.threads) {
            (true, _) => u64::MAX,
            (false, true) => LONG,
            (false, false) => return None,
        };
        let mut lanes = self.lanes.iter_mut();
        let (cost, work) = lanes.find_map(|lane| lane.take(most))?;
        self.running += 1;
        self.long += usize::from(cost > LONG);
        Some((cost, work))
    }

    fn ended(&mut self, cost: u64) {
        self.running -= 1;
        self.long -= usize::from(cost > LONG);
    }
}

/// The state that the threads share.
struct Waiting(Mutex<Shared>);

impl Waiting {
    fn with<T>(&self, change: impl FnOnce(&mut Shared) -> T) -> T {
        change(&mut self.0.lock())
    }

    /// Runs waiting work until none may run.
    fn run(&self) {
        while let Some((cost, work)) = self.with(Shared::take) {
            work();
            self.with(|shared| shared.ended(cost));
        }
    }
}

/// Sets its flag when it is dropped together with the future that waits for a piece of work.
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
    /// A pool for `threads` pieces of work at a time, plus one short piece while all of them are long.
    ///
    /// # Errors
    /// If the system refuses a thread.
    pub fn new(threads: usize, metrics: Arc<Metrics>) -> std::io::Result<Self> {
        let pool = rayon::ThreadPoolBuilder::new()
            .num_threads(threads + 1)
            .thread_name(|i| format!("prepare-{i}"))
            .build()
            .map_err(std::io::Error::other)?;
        Ok(Self {
            pool: Arc::new(pool),
            waiting: Arc::new(Waiting(Mutex::new(Shared {
                lanes: Default::default(),
                threads,
                running: 0,
                long: 0,
            }))),
            metrics,
        })
    }

    /// Runs `work` on the pool and returns its result. `cost` is the estimated time in microseconds, at worst. Work whose
    /// future is dropped before it begins never runs; running work learns of this from its [`Stop`].
    ///
    /// # Errors
    /// [`EngineError::Inference`] if the work panicked; the pool continues.
    pub async fn run<T: Send + 'static>(
        &self,
        lane: Lane,
        flow: Flow,
        cost: u64,
        work: impl FnOnce(&Stop) -> T + Send + 'static,
    ) -> Result<T, EngineError> {
        let (sender, receiver) = oneshot::channel();
        self.metrics.prepare_pending.inc();
        let metrics = self.metrics.clone();
        let waiter = Waiter(Arc::default());
        let stop = Stop::when(waiter.0.clone());
        let work: Work = Box::new(move || {
            metrics.prepare_pending.dec();
            if sender.is_closed() {
                return;
            }
            // A panic in a decoder is an error of that item only.
            let work = std::panic::AssertUnwindSafe(|| work(&stop));
            if let Ok(result) = std::panic::catch_unwind(work) {
                let _ = sender.send(result);
            }
        });
        self.waiting
            .with(|shared| shared.lanes[lane as usize].put(flow, cost, work));
        let waiting = self.waiting.clone();
        self.pool.spawn_fifo(move || waiting.run());
        let result = receiver.await;
        drop(waiter);
        result.map_err(|_| {
            EngineError::Inference("preparing the item failed unexpectedly".to_owned())
        })
    }
}

#[cfg(test)]
mod tests {
    use super::super::fair_queue::Tenant;
    use super::*;

    #[tokio::test]
    async fn interactive_work_overtakes_bulk_work() {
        let pool = CpuPool::new(1, Arc::new(Metrics::new().unwrap())).unwrap();
        let order = Arc::new(Mutex::new(Vec::new()));
        let (hold, held) = std::sync::mpsc::channel::<()>();
        // One piece of work keeps the only thread busy while the others wait.
        let busy = pool.run(Lane::Bulk, Flow::next(Tenant::default()), 1, move |_| {
            held.recv().unwrap()
        });
        let note = |name: &'static str| {
            let order = order.clone();
            move |_: &Stop| order.lock().push(name)
        };
        let release = async {
            while pool.metrics.prepare_pending.get() < 2 {
                tokio::task::yield_now().await;
            }
            hold.send(()).unwrap();
        };
        let (first, second) = (
            pool.run(Lane::Bulk, Flow::next(Tenant::default()), 1, note("bulk")),
            pool.run(
                Lane::Interactive,
                Flow::next(Tenant::default()),
                1,
                note("interactive"),
            ),
        );
        let (busy, first, second, ()) = tokio::join!(busy, first, second, release);
        assert!(busy.is_ok() && first.is_ok() && second.is_ok());
        assert_eq!(*order.lock(), ["interactive", "bulk"]);
    }

    #[tokio::test]
    async fn short_work_does_not_wait_for_long_work() {
        let pool = CpuPool::new(2, Arc::new(Metrics::new().unwrap())).unwrap();
        let (hold, held) = std::sync::mpsc::channel::<()>();
        let held = Arc::new(Mutex::new(held));
        let long: Vec<_> = (0..10)
            .map(|_| {
                let (pool, held) = (pool.clone(), held.clone());
                let flow = Flow::next(Tenant::default());
                let work = move |_: &Stop| held.lock().recv().unwrap();
                async move { pool.run(Lane::Interactive, flow, LONG + 1, work).await }
            })
            .collect();
        let long = tokio::spawn(futures_util::future::join_all(long));
        while pool.metrics.prepare_pending.get() != 8 {
            tokio::task::yield_now().await;
        }
        for _ in 0..100 {
            let flow = Flow::next(Tenant::default());
            let short = pool.run(Lane::Bulk, flow, LONG, |_| 7);
            assert_eq!(short.await, Ok(7));
        }
        for _ in 0..10 {
            hold.send(()).unwrap();
        }
        assert!(long.await.unwrap().iter().all(Result::is_ok));
    }

    #[tokio::test]
    async fn work_learns_that_its_request_was_cancelled() {
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
        let mut running =
            Box::pin(pool.run(Lane::Interactive, Flow::next(Tenant::default()), 1, work));
        tokio::select! {
            _ = &mut running => unreachable!("it runs until it is told"),
            began = began => began.unwrap(),
        }
        drop(running);
        told.await.unwrap();
        assert_eq!(
            pool.run(
                Lane::Interactive,
                Flow::next(Tenant::default()),
                1,
                Stop::is_gone
            )
            .await,
            Ok(false)
        );
    }

    #[tokio::test]
    async fn a_panic_fails_one_item_only() {
        let pool = CpuPool::new(1, Arc::new(Metrics::new().unwrap())).unwrap();
        let failed = pool
            .run(Lane::Interactive, Flow::next(Tenant::default()), 1, |_| {
                panic!("a decoder's bug")
            })
            .await;
        assert!(matches!(failed, Err::<(), _>(EngineError::Inference(_))));
        assert_eq!(
            pool.run(Lane::Interactive, Flow::next(Tenant::default()), 1, |_| 7)
                .await,
            Ok(7)
        );
    }
}
