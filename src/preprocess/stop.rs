//! Stops work on an image early: after a time limit, or when no request waits for it any more.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use super::error::ImageError;

/// Maximum time for decoding one image. Fifty megapixels take a second or two; an image that takes longer than this is an
/// attack.
pub(super) const MOST_TIME: Duration = Duration::from_secs(10);

/// Checked between the pieces of an image (rows, strips, blocks of the file).
#[derive(Debug, Clone, Default)]
pub struct Stop {
    gone: Option<Arc<AtomicBool>>,
    until: Option<Instant>,
}

impl Stop {
    /// Never stops, until decoding begins: [`super::decode`] then sets a limit of 10 seconds.
    #[must_use]
    pub fn never() -> Self {
        Self::default()
    }

    /// Stops as soon as `gone` is true.
    #[must_use]
    pub fn when(gone: Arc<AtomicBool>) -> Self {
        Self {
            gone: Some(gone),
            until: None,
        }
    }

    /// The same, and also stops `time` from now, unless the existing limit is earlier.
    #[must_use]
    pub fn within(&self, time: Duration) -> Self {
        let until = Instant::now() + time;
        Self {
            gone: self.gone.clone(),
            until: Some(self.until.map_or(until, |sooner| sooner.min(until))),
        }
    }

    /// Whether no request waits any more.
    #[must_use]
    pub fn is_gone(&self) -> bool {
        let gone = self.gone.as_ref();
        gone.is_some_and(|gone| gone.load(Ordering::Relaxed))
    }

    /// An error if the work should stop.
    pub(super) fn check(&self) -> Result<(), ImageError> {
        if self.is_gone() {
            return Err(ImageError::Abandoned);
        }
        if self.until.is_some_and(|until| Instant::now() >= until) {
            return Err(ImageError::TakesTooLong {
                seconds: MOST_TIME.as_secs(),
            });
        }
        Ok(())
    }
}
