//! Admission to the queue: items are accepted if there is room and if they can be answered in time.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::{Queue, Waiting};
use crate::engine::EngineError;
use crate::engine::backlog::Demand;
use crate::engine::job::{Deadline, Lane, Modality};

/// Minimum time between two searches for cancelled items.
pub(super) const CLEANING: Duration = Duration::from_millis(5);

/// Slots in the queue, held while a request's items are decoded and tokenised, because a refusal must come before that work.
/// Unused slots are released when it is dropped.
#[derive(Debug)]
pub struct Reservation {
    queue: Arc<Queue>,
    pub(super) lane: Lane,
    demand: Demand,
}

impl Drop for Reservation {
    fn drop(&mut self) {
        let mut waiting = self.queue.lock();
        let reserved = &mut waiting.reserved[self.lane as usize];
        *reserved = reserved.minus(self.demand);
        let fewer = waiting.preparing() < waiting.idle;
        drop(waiting);
        if fewer {
            // A worker may be waiting for the items being prepared.
            self.queue.work.notify_all();
        }
    }
}

impl Queue {
    /// Takes slots for a request's items, all or none. A request may be larger than the queue: it is accepted when nothing
    /// else waits.
    ///
    /// # Errors
    /// [`EngineError::Overloaded`] if there is no room, or if by the measured times the items would not be answered before
    /// the deadline: late work would only delay other work. Or the reason why the queue is closed.
    pub fn reserve(
        self: &Arc<Self>,
        demand: Demand,
        lane: Lane,
        deadline: Deadline,
    ) -> Result<Reservation, EngineError> {
        let mut waiting = self.lock();
        if let Some(reason) = &waiting.closed {
            return Err(reason.clone());
        }
        // Each lane has its own limit: bulk work that fills its lane must not close the other one.
        let mut ahead = waiting.ahead(lane);
        if ahead + demand.count() > self.capacity {
            self.drop_cancelled(&mut waiting, lane);
            ahead = waiting.ahead(lane);
        }
        let room = ahead + demand.count() <= self.capacity;
        // The first item in line is always accepted, so that wrong times are measured again.
        if ahead > 0 && !(room && self.is_in_time(&waiting, demand, lane, deadline)) {
            let retry_after_seconds = waiting.rate.seconds_for(ahead);
            return Err(EngineError::Overloaded {
                queued: ahead,
                retry_after_seconds,
            });
        }
        let reserved = &mut waiting.reserved[lane as usize];
        *reserved = reserved.plus(demand);
        drop(waiting);
        Ok(Reservation {
            queue: self.clone(),
            lane,
            demand,
        })
    }

    /// Removes items that no request waits for any more, so that they do not block the queue until a worker finds them.
    fn drop_cancelled(&self, waiting: &mut Waiting, lane: Lane) {
        let now = Instant::now();
        // A flood of refusals must not search the whole queue each time.
        if waiting.cleaned.is_some_and(|at| now - at < CLEANING) {
            return;
        }
        waiting.cleaned = Some(now);
        let mut gone = 0;
        for group in &mut waiting.lanes[lane as usize] {
            let before = group.len();
            group.retain(|job| !job.is_cancelled());
            gone += before - group.len();
        }
        waiting.queued[lane as usize] -= gone;
        self.metrics.cancelled.inc_by(gone as u64);
        self.metrics.queue_depth(lane).sub(gone as i64);
    }

    fn is_in_time(
        &self,
        waiting: &Waiting,
        demand: Demand,
        lane: Lane,
        deadline: Deadline,
    ) -> bool {
        let Some(deadline) = deadline else {
            return true;
        };
        let now = Instant::now();
        let (ahead, work) = waiting.before(lane, now);
        let most = if demand.images > 0 {
            self.policy.most(Modality::Image)
        } else {
            self.policy.most(Modality::Text)
        };
        let times = &waiting.times;
        now + times.until_answered(demand, ahead, work, self.workers, most) <= deadline
    }
}

impl Waiting {
    /// Number of items of a lane that wait or are being prepared.
    fn ahead(&self, lane: Lane) -> usize {
        self.queued[lane as usize] + self.reserved[lane as usize].count()
    }

    /// The load before a new item of a lane: the number of items, and the seconds of work for one worker.
    fn before(&self, lane: Lane, now: Instant) -> (usize, f64) {
        let lanes: &[Lane] = match lane {
            Lane::Interactive => &[Lane::Interactive],
            Lane::Bulk => &Lane::ALL,
        };
        let (mut ahead, mut work) = (0, self.times.remaining(now));
        for lane in lanes {
            let reserved = self.reserved[*lane as usize];
            ahead += reserved.count() + self.queued[*lane as usize];
            work += self.times.work(reserved);
            let groups = self.lanes[*lane as usize].iter().enumerate();
            work += groups
                .map(|(group, jobs)| jobs.len() as f64 * self.times.of(group))
                .sum::<f64>();
        }
        (ahead, work)
    }
}
