//! Threads for work that would block the asynchronous runtime: decoding, resizing, tokenising.

use std::sync::Arc;

use tokio::sync::oneshot;

use super::EngineError;
use crate::telemetry::Metrics;

/// A pool of named threads. Work whose requester is gone by its turn is skipped.
#[derive(Debug, Clone)]
pub struct CpuPool {
    pool: Arc<rayon::ThreadPool>,
    metrics: Arc<Metrics>,
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
            metrics,
        })
    }

    /// Runs `work` on the pool and gives its result. Dropping the future before the work's turn means it never runs.
    ///
    /// # Errors
    /// [`EngineError::Inference`] if the work panicked; the pool lives on.
    pub async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, EngineError> {
        let (sender, receiver) = oneshot::channel();
        self.metrics.prepare_pending.inc();
        let metrics = self.metrics.clone();
        self.pool.spawn_fifo(move || {
            metrics.prepare_pending.dec();
            if sender.is_closed() {
                return;
            }
            // A panic in a decoder is that item's failure, not the process's.
            if let Ok(result) = std::panic::catch_unwind(std::panic::AssertUnwindSafe(work)) {
                let _ = sender.send(result);
            }
        });
        receiver.await.map_err(|_| {
            EngineError::Inference("preparing the item failed unexpectedly".to_owned())
        })
    }
}
