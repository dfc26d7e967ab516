//! Threads for work that would block the asynchronous runtime: decoding, resizing, tokenising.

use std::collections::VecDeque;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::oneshot;

use super::{EngineError, Lane};
use crate::telemetry::Metrics;

/// A pool of named threads. A free thread takes interactive work first; work whose requester is gone by its turn is
/// skipped.
#[derive(Debug, Clone)]
pub struct CpuPool {
    pool: Arc<rayon::ThreadPool>,
    waiting: Arc<Waiting>,
    metrics: Arc<Metrics>,
}

type Work = Box<dyn FnOnce() + Send>;

/// Work by lane. Whoever puts work in also spawns a turn, and a turn takes whatever is most urgent by then.
#[derive(Default)]
struct Waiting(Mutex<[VecDeque<Work>; 2]>);

impl Waiting {
    fn put(&self, lane: Lane, work: Work) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)[lane as usize].push_back(work);
    }

    fn take(&self) -> Option<Work> {
        let mut lanes = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        lanes.iter_mut().find_map(VecDeque::pop_front)
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

    /// Runs `work` on the pool and gives its result. Dropping the future before the work's turn means it never runs.
    ///
    /// # Errors
    /// [`EngineError::Inference`] if the work panicked; the pool lives on.
    pub async fn run<T: Send + 'static>(
        &self,
        lane: Lane,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, EngineError> {
        let (sender, receiver) = oneshot::channel();
        self.metrics.prepare_pending.inc();
        let metrics = self.metrics.clone();
        self.waiting.put(
            lane,
            Box::new(move || {
                metrics.prepare_pending.dec();
                if sender.is_closed() {
                    return;
                }
                // A panic in a decoder is that item's failure, not the process's.
                if let Ok(result) = std::panic::catch_unwind(std::panic::AssertUnwindSafe(work)) {
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
        receiver.await.map_err(|_| {
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
        let busy = pool.run(Lane::Bulk, move || held.recv().unwrap());
        let note = |name: &'static str| {
            let order = order.clone();
            move || order.lock().unwrap().push(name)
        };
        let release = async {
            while pool.metrics.prepare_pending.get() < 2 {
                tokio::task::yield_now().await;
            }
            hold.send(()).unwrap();
        };
        let (first, second) = (
            pool.run(Lane::Bulk, note("bulk")),
            pool.run(Lane::Interactive, note("interactive")),
        );
        let (busy, first, second, ()) = tokio::join!(busy, first, second, release);
        assert!(busy.is_ok() && first.is_ok() && second.is_ok());
        assert_eq!(*order.lock().unwrap(), ["interactive", "bulk"]);
    }

    #[tokio::test]
    async fn a_panic_is_one_item_s_failure() {
        let pool = CpuPool::new(1, Arc::new(Metrics::new().unwrap())).unwrap();
        let failed = pool
            .run(Lane::Interactive, || panic!("a decoder's bug"))
            .await;
        assert!(matches!(failed, Err::<(), _>(EngineError::Inference(_))));
        assert_eq!(pool.run(Lane::Interactive, || 7).await, Ok(7));
    }
}
