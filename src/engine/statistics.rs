//! Statistics of a model since it was loaded: counts and times, for the Open Inference Protocol.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// The number of events and their total time.
#[derive(Debug, Default)]
pub struct Timed {
    count: AtomicU64,
    nanoseconds: AtomicU64,
}

impl Timed {
    pub(super) fn note(&self, took: Duration) {
        self.count.fetch_add(1, Ordering::Relaxed);
        let took = u64::try_from(took.as_nanos()).unwrap_or(u64::MAX);
        self.nanoseconds.fetch_add(took, Ordering::Relaxed);
    }

    /// Number of events.
    pub fn count(&self) -> u64 {
        self.count.load(Ordering::Relaxed)
    }

    /// Total nanoseconds.
    pub fn nanoseconds(&self) -> u64 {
        self.nanoseconds.load(Ordering::Relaxed)
    }
}

/// Counts of one model. Golden checks do not count.
#[derive(Debug, Default)]
pub struct Statistics {
    /// Requests that were answered.
    pub success: Timed,
    /// Requests that were refused or failed.
    pub fail: Timed,
    /// Items that an encoder ran: their waiting time.
    pub queue: Timed,
    /// Requests with items that were decoded, resized or tokenised.
    pub prepare: Timed,
    /// Items that an encoder ran: the time of their batches.
    pub inference: Timed,
    cached: AtomicU64,
    batches: AtomicU64,
    last: AtomicU64,
}

impl Statistics {
    pub(super) fn note_cached(&self) {
        self.cached.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn note_batch(&self) {
        self.batches.fetch_add(1, Ordering::Relaxed);
        let now = SystemTime::now().duration_since(UNIX_EPOCH);
        let now = now.map_or(0, |now| u64::try_from(now.as_millis()).unwrap_or(u64::MAX));
        self.last.store(now, Ordering::Relaxed);
    }

    /// Items found in a cache.
    pub fn cached(&self) -> u64 {
        self.cached.load(Ordering::Relaxed)
    }

    /// Number of batches.
    pub fn batches(&self) -> u64 {
        self.batches.load(Ordering::Relaxed)
    }

    /// Time of the last batch, in milliseconds since 1970; 0 if there was none.
    pub fn last_milliseconds(&self) -> u64 {
        self.last.load(Ordering::Relaxed)
    }
}
