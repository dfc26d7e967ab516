//! The throughput of the workers, for the `Retry-After` of a refusal.

use std::time::Instant;

/// Items per second, smoothed; for `Retry-After`.
#[derive(Debug, Default)]
pub struct ServiceRate {
    items_per_second: f64,
    since: Option<Instant>,
    items: usize,
}

impl ServiceRate {
    /// Counts items taken by a worker.
    pub fn count(&mut self, items: usize, now: Instant) {
        self.items += items;
        let since = *self.since.get_or_insert(now);
        let seconds = (now - since).as_secs_f64();
        if seconds >= 0.5 {
            let measured = self.items as f64 / seconds;
            let known = self.items_per_second > 0.0;
            self.items_per_second = if known {
                0.7 * self.items_per_second + 0.3 * measured
            } else {
                measured
            };
            (self.items, self.since) = (0, Some(now));
        }
    }

    /// Time until the queued items are run: whole seconds, 1 to 60.
    pub fn seconds_for(&self, queued: usize) -> u64 {
        if self.items_per_second <= 0.0 {
            return 1;
        }
        (queued as f64 / self.items_per_second)
            .ceil()
            .clamp(1.0, 60.0) as u64
    }

    /// The queue is empty: the rate counts busy time only.
    pub fn pause(&mut self) {
        (self.items, self.since) = (0, None);
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn the_wait_follows_from_the_measured_rate() {
        let mut rate = ServiceRate::default();
        assert_eq!(rate.seconds_for(1000), 1, "nothing is known yet");
        let start = Instant::now();
        // 20 items every 100 ms
        (0..=10).for_each(|i| rate.count(20, start + Duration::from_millis(100 * i)));
        assert!(
            (5..=7).contains(&rate.seconds_for(1200)),
            "{}",
            rate.seconds_for(1200)
        );
        assert_eq!((rate.seconds_for(0), rate.seconds_for(1_000_000)), (1, 60));
    }
}
