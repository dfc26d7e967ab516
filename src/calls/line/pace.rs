//! How much of a long task one request does: it ends while there is still time to answer, and the next request goes on.

use std::time::{Duration, Instant};

/// The share of a request's time that is spent on steps: the rest is for what comes before and after them, and for a step that
/// takes longer than all before it.
const SHARE: u32 = 2;

/// The steps of one request.
#[derive(Debug)]
pub struct Pace {
    end: Instant,
    last: Instant,
    longest: Duration,
}

impl Pace {
    /// Of a request that starts now and may take `limit`.
    pub fn new(limit: Duration) -> Self {
        Self::at(Instant::now(), limit)
    }

    fn at(now: Instant, limit: Duration) -> Self {
        Self {
            end: now.checked_add(limit / SHARE).unwrap_or(now),
            last: now,
            longest: Duration::ZERO,
        }
    }

    /// Called before the first step: what came before it is no step.
    pub fn begin(&mut self) {
        self.last = Instant::now();
    }

    /// Called before each step: whether another one as long as the longest has time.
    pub fn has_time(&mut self) -> bool {
        self.has_time_at(Instant::now())
    }

    fn has_time_at(&mut self, now: Instant) -> bool {
        self.longest = self.longest.max(now.duration_since(self.last));
        self.last = now;
        now.checked_add(self.longest)
            .is_some_and(|end| end <= self.end)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_end_in_half_of_the_time_however_long_they_are() {
        let second = Duration::from_secs(1);
        for (length, steps) in [(1, 30), (4, 7), (16, 1), (31, 1)] {
            let start = Instant::now();
            let mut pace = Pace::at(start, 60 * second);
            assert!(pace.has_time_at(start), "the first step has time");
            let taken =
                (1..100).take_while(|step| pace.has_time_at(start + step * length * second));
            assert_eq!(taken.count() as u32 + 1, steps, "{length} s");
        }
    }

    #[test]
    fn after_a_slow_preparation_nothing_is_begun() {
        let start = Instant::now();
        let after = |seconds| {
            let mut pace = Pace::at(start, Duration::from_secs(60));
            pace.last = start + Duration::from_secs(seconds);
            pace.has_time_at(pace.last)
        };
        assert!(after(29) && !after(31));
    }
}
