//! Admission to the queue: items are accepted if there is room and if they can be answered in time.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::{Queue, Waiting, modality_of};
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
        let mut waiting = self.queue.waiting.lock();
        let reserved = &mut waiting.reserved[self.lane as usize];
        // If two requests are alike, either one may be removed.
        if let Some(place) = reserved.iter().position(|demand| *demand == self.demand) {
            reserved.swap_remove(place);
        }
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
        let mut waiting = self.waiting.lock();
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
        waiting.reserved[lane as usize].push(demand);
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
        let most = if demand.images > 0 {
            self.policy.most(Modality::Image)
        } else {
            self.policy.most(Modality::Text)
        };
        let others: usize = waiting.lanes_up_to(lane).map(|l| waiting.ahead(l)).sum();
        let work = self.work_before(waiting, demand, lane, now);
        let times = &waiting.times;
        now + times.until_answered(demand, others, work, self.workers, most) <= deadline
    }

    /// The seconds of work, for one worker, until the last batch of a new demand starts. The requests of a lane alternate,
    /// so of a larger request only as many items come before as the demand has itself, and those that share their batches.
    fn work_before(&self, waiting: &Waiting, demand: Demand, lane: Lane, now: Instant) -> f64 {
        let times = &waiting.times;
        let mut work = times.remaining(now);
        for before in waiting.lanes_up_to(lane) {
            // All interactive items come before a bulk item.
            let turns = if before == lane {
                demand.count()
            } else {
                usize::MAX
            };
            let last_rank = waiting.clock[before as usize].saturating_add(turns as u64);
            for (group, jobs) in waiting.lanes[before as usize].iter().enumerate() {
                let first = jobs.partition_point(|job| job.rank <= last_rank);
                let most = self.policy.most(modality_of(group));
                // The last batch of the demand's own group is the demand's own.
                let is_own = group == 0 && demand.texts == 0;
                let taken = if is_own {
                    first
                } else {
                    in_batches(first, most)
                };
                work += taken.min(jobs.len()) as f64 * times.of(group);
            }
            // Items that are being prepared get their ranks later, so at most these come first.
            for request in &waiting.reserved[before as usize] {
                let first = |items: usize, modality| {
                    in_batches(turns.min(items), self.policy.most(modality)).min(items)
                };
                work += times.work(Demand {
                    images: first(request.images, Modality::Image),
                    texts: first(request.texts, Modality::Text),
                });
            }
        }
        work
    }
}

impl Waiting {
    /// Number of items of a lane that wait or are being prepared.
    fn ahead(&self, lane: Lane) -> usize {
        let reserved = self.reserved[lane as usize].iter();
        self.queued[lane as usize] + reserved.map(|demand| demand.count()).sum::<usize>()
    }

    /// The lanes whose items come before a new item of a lane, or take turns with it.
    fn lanes_up_to(&self, lane: Lane) -> impl Iterator<Item = Lane> {
        Lane::ALL
            .into_iter()
            .filter(move |other| *other == lane || lane == Lane::Bulk)
    }
}

/// Items of full batches that contain this many.
fn in_batches(items: usize, most: usize) -> usize {
    items.div_ceil(most.max(1)).saturating_mul(most)
}
