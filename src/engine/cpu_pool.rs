//! Threads for work that would block the asynchronous runtime: decoding, resizing, tokenising.

use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::oneshot;

use super::error::EngineError;
use super::fair_queue::{FairQueue, Flow};
use super::job::Lane;
use crate::preprocess::Stop;
use crate::telemetry::Metrics;

/// A pool of named threads. A free thread takes interactive work first. Within a lane a [`FairQueue`] says what comes next: neither
/// a request of many or large items nor a tenant of many requests holds up the others. Work whose requester is gone by then is
/// skipped.
#[derive(Debug, Clone)]
pub struct CpuPool {
    pool: Arc<rayon::ThreadPool>,
    waiting: Arc<Waiting>,
    metrics: Arc<Metrics>,
}

type Work = Box<dyn FnOnce() + Send>;

/// Work by lane. Whoever puts work in also spawns a thread's task, and that takes whatever comes first by then.
#[derive(Default)]
struct Waiting(Mutex<[FairQueue<Work>; 2]>);

impl Waiting {
    fn put(&self, lane: Lane, flow: Flow, cost: u64, work: Work) {
        let mut lanes = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        lanes[lane as usize].put(flow, cost, work);
    }

    fn take(&self) -> Option<Work> {
        let mut lanes = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        lanes.iter_mut().find(|lane| !lane.is_empty())?.take()
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

    /// Runs `work` on the pool when it is next, and gives its result. `cost` is about how many microseconds it will take, at worst.
    /// Work whose future is dropped before it began never runs; work that runs by then is told by the [`Stop`] that it is given.
    ///
    /// # Errors
    /// [`EngineError::Inference`] if the work panicked; the pool lives on.
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
        self.waiting.put(
            lane,
            flow,
            cost,
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
    use super::super::fair_queue::Tenant;
    use super::*;

    #[tokio::test]
    async fn interactive_work_overtakes_bulk_work() {
        let pool = CpuPool::new(1, Arc::new(Metrics::new().unwrap())).unwrap();
        let order = Arc::new(Mutex::new(Vec::new()));
        let (hold, held) = std::sync::mpsc::channel::<()>();
        // One piece of work keeps the only thread busy while the others queue up.
        let busy = pool.run(Lane::Bulk, Flow::next(Tenant::default()), 1, move |_| {
            held.recv().unwrap()
        });
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
        assert_eq!(*order.lock().unwrap(), ["interactive", "bulk"]);
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
    async fn a_panic_is_one_item_s_failure() {
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
