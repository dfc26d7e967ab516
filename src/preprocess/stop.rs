//! When work on an image ends early: after its time, or when nobody waits for it any more.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use super::error::ImageError;

/// How long one image may be decoded. Fifty megapixels take a second or two; what takes longer than this was made to.
pub(super) const MOST_TIME: Duration = Duration::from_secs(10);

/// Asked between the pieces of an image (rows, strips, blocks of the file) whether to go on.
#[derive(Debug, Clone, Default)]
pub struct Stop {
    gone: Option<Arc<AtomicBool>>,
    until: Option<Instant>,
}

impl Stop {
    /// Never says stop, until decoding begins: [`super::decode`] then gives it 10 seconds.
    #[must_use]
    pub fn never() -> Self {
        Self::default()
    }

    /// Says stop as soon as `gone` is true.
    #[must_use]
    pub fn when(gone: Arc<AtomicBool>) -> Self {
        Self {
            gone: Some(gone),
            until: None,
        }
    }

    /// The same, and it says stop `time` from now, unless it would sooner.
    #[must_use]
    pub fn within(&self, time: Duration) -> Self {
        let until = Instant::now() + time;
        Self {
            gone: self.gone.clone(),
            until: Some(self.until.map_or(until, |sooner| sooner.min(until))),
        }
    }

    /// Whether nobody waits any more.
    #[must_use]
    pub fn is_gone(&self) -> bool {
        let gone = self.gone.as_ref();
        gone.is_some_and(|gone| gone.load(Ordering::Relaxed))
    }

    /// An error when it is time to stop.
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
