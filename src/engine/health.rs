//! Whether the engine can answer, and why not.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

/// Liveness of a model's workers.
#[derive(Debug, Default)]
pub struct Health {
    workers: AtomicUsize,
    dead: AtomicUsize,
    stopping: AtomicBool,
}

impl Health {
    pub(super) fn worker_started(&self) {
        self.workers.fetch_add(1, Ordering::SeqCst);
    }

    /// A worker ended unexpectedly. Returns the number of remaining workers.
    pub(super) fn worker_died(&self) -> usize {
        self.dead.fetch_add(1, Ordering::SeqCst);
        self.workers.fetch_sub(1, Ordering::SeqCst) - 1
    }

    pub(super) fn stop(&self) {
        self.stopping.store(true, Ordering::SeqCst);
    }

    /// Number of running workers.
    pub fn workers(&self) -> usize {
        self.workers.load(Ordering::SeqCst)
    }

    /// The reason why the engine is not ready; `None` if it is.
    pub fn not_ready_reason(&self) -> Option<String> {
        let dead = self.dead.load(Ordering::SeqCst);
        if self.stopping.load(Ordering::SeqCst) {
            Some("stopping".to_owned())
        } else if dead > 0 {
            Some(format!("{dead} of {} workers died", dead + self.workers()))
        } else {
            None
        }
    }
}
