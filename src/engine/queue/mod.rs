//! The waiting line in front of the workers: bounded, two lanes, batches of one kind.
//!
//! Items wait in groups that can share a batch: images together, texts with texts of about the same length (a batch of
//! texts is padded to its longest, and padding costs as much as text). A batch is the group whose first item has waited
//! longest, formed when a worker is free. Whether it waits for company is the policy's question; on a CPU nothing does.

mod admission;

use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

pub use self::admission::Reservation;
use super::backlog::{Demand, ItemTimes};
use super::batching::BatchPolicy;
use super::error::EngineError;
use super::job::{Input, Job, Lane, Modality};
use super::service_rate::ServiceRate;
use crate::telemetry::Metrics;

/// Text lengths in one group differ by less than a factor of two; 2^16 is the longest context that a manifest may have.
const TEXT_GROUPS: usize = 17;
const GROUPS: usize = 1 + TEXT_GROUPS;

/// While interactive work never ends, one batch in this many is bulk, so that bulk work cannot starve.
const BULK_TURN: u32 = 16;

/// Items of one modality that one run of an encoder answers.
#[derive(Debug)]
pub struct Batch {
    /// Which items share a batch; for [`Queue::record`].
    pub group: usize,
    pub modality: Modality,
    pub lane: Lane,
    pub jobs: Vec<Job>,
    /// When its items stopped waiting.
    pub taken: Instant,
}

#[derive(Debug)]
struct Waiting {
    lanes: [[VecDeque<Job>; GROUPS]; 2],
    queued: [usize; 2],
    /// Places of items that are still being prepared.
    reserved: [Demand; 2],
    /// Workers that look for a batch.
    idle: usize,
    turns_without_bulk: u32,
    /// Set once: why nothing more is taken in.
    closed: Option<EngineError>,
    rate: ServiceRate,
    /// When cancelled items were last looked for.
    cleaned: Option<Instant>,
    times: ItemTimes<GROUPS>,
}

/// The queue of one model.
#[derive(Debug)]
pub struct Queue {
    waiting: Mutex<Waiting>,
    work: Condvar,
    capacity: usize,
    workers: usize,
    policy: BatchPolicy,
    metrics: Arc<Metrics>,
}

impl Queue {
    /// A queue for `workers` workers with `capacity` places in each lane.
    pub fn new(
        capacity: usize,
        workers: usize,
        policy: BatchPolicy,
        metrics: Arc<Metrics>,
    ) -> Self {
        let lanes = std::array::from_fn(|_| std::array::from_fn(|_| VecDeque::new()));
        let waiting = Waiting {
            lanes,
            queued: [0; 2],
            reserved: [Demand::default(); 2],
            idle: 0,
            turns_without_bulk: 0,
            closed: None,
            rate: ServiceRate::default(),
            cleaned: None,
            times: ItemTimes::default(),
        };
        Self {
            waiting: Mutex::new(waiting),
            work: Condvar::new(),
            capacity,
            workers: workers.max(1),
            policy,
            metrics,
        }
    }

    /// Puts a request's items into the places that were reserved for them.
    ///
    /// # Errors
    /// Why the queue was closed in the meantime.
    pub fn push(&self, jobs: Vec<Job>, reservation: Reservation) -> Result<(), EngineError> {
        let lane = reservation.lane;
        let count = jobs.len();
        let mut waiting = self.lock();
        if let Some(reason) = waiting.closed.clone() {
            drop(waiting); // the reservation's end needs the lock
            return Err(reason);
        }
        waiting.queued[lane as usize] += count;
        for job in jobs {
            waiting.lanes[lane as usize][group_of(&job.input)].push_back(job);
        }
        self.metrics.queue_depth(lane).add(count as i64);
        drop(waiting);
        drop(reservation);
        if count == 1 {
            self.work.notify_one();
        } else {
            self.work.notify_all();
        }
        Ok(())
    }

    /// The next batch; waits for one. `None` when the queue is closed and empty.
    pub fn take(&self) -> Option<Batch> {
        let mut waiting = self.lock();
        waiting.idle += 1;
        loop {
            while waiting.queued != [0; 2] {
                if let Some(rest) = self.still_gathering(&waiting) {
                    let woken = self.work.wait_timeout(waiting, rest);
                    waiting = woken.unwrap_or_else(PoisonError::into_inner).0;
                    continue;
                }
                let batch = self.next_batch(&mut waiting);
                if !batch.jobs.is_empty() {
                    waiting.idle -= 1;
                    return Some(batch);
                }
            }
            if waiting.closed.is_some() {
                waiting.idle -= 1;
                return None;
            }
            waiting.rate.pause();
            waiting = self
                .work
                .wait(waiting)
                .unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Notes how long a batch took, for the size of later ones.
    pub fn record(&self, group: usize, items: usize, seconds: f64) {
        let mut waiting = self.lock();
        let modality = modality_of(group);
        waiting.times.finish(group, modality, items, seconds);
    }

    /// Takes nothing more in; what is queued is still run.
    pub fn close(&self) {
        self.lock().closed.get_or_insert(EngineError::Stopping);
        self.work.notify_all();
    }

    /// Accepts nothing more and answers everything that waits: no worker is left to run it.
    pub fn fail_all(&self, reason: &EngineError) {
        let mut waiting = self.lock();
        waiting.closed = Some(reason.clone());
        let queued = std::mem::take(&mut waiting.queued);
        let jobs: Vec<Job> = waiting
            .lanes
            .iter_mut()
            .flatten()
            .flat_map(|group| group.drain(..))
            .collect();
        drop(waiting);
        // The gauge is the sum over all models: what waits elsewhere still waits.
        for (lane, queued) in Lane::ALL.into_iter().zip(queued) {
            self.metrics.queue_depth(lane).sub(queued as i64);
        }
        for job in jobs {
            job.fail(reason.clone());
        }
        self.work.notify_all();
    }

    /// How long to wait for more items yet; `None` when a batch should be run now: a group is full, its first item has
    /// waited long enough, or nothing more will come.
    ///
    /// Long enough is what the policy says. Where it says nothing (a CPU), it is the time of one item, as long as at least as
    /// many items are being prepared as workers are free: that work keeps the cores busy, and a larger batch
    /// saves some of the next (ViT-B/32: 78 ms an image alone, 67 in twos, 61 in fours). So no core waits.
    fn still_gathering(&self, waiting: &Waiting) -> Option<Duration> {
        if waiting.closed.is_some() {
            return None;
        }
        let greedy = self.policy.wait.is_zero();
        if greedy && waiting.preparing() < waiting.idle {
            return None;
        }
        let mut rest = Duration::MAX;
        for lane in &waiting.lanes {
            for (group, jobs) in lane.iter().enumerate() {
                let Some(first) = jobs.front() else { continue };
                if jobs.len() >= self.policy.most(modality_of(group)) {
                    return None;
                }
                let patience = if greedy {
                    Duration::from_secs_f64(waiting.times.of(group))
                } else {
                    self.policy.wait
                };
                rest = rest.min(patience.saturating_sub(first.enqueued.elapsed()));
            }
        }
        (!rest.is_zero()).then_some(rest)
    }

    fn next_batch(&self, waiting: &mut Waiting) -> Batch {
        let lane = waiting.choose_lane();
        let group = waiting.choose_group(lane);
        let modality = modality_of(group);
        // What waits is for all workers that are free, not for the one that woke first.
        let share = waiting.lanes[lane as usize][group]
            .len()
            .div_ceil(waiting.idle.max(1));
        let mut most = self.policy.most(modality).min(share.max(1));
        let item_seconds = waiting.times.of(group);
        if lane == Lane::Bulk && item_seconds > 0.0 {
            // An interactive item that comes now waits for this batch: it must be short.
            let fit = self.policy.bulk_time.as_secs_f64() / item_seconds;
            most = most.min(fit.max(1.0) as usize);
        }
        let now = Instant::now();
        let mut jobs = Vec::new();
        let mut taken = 0;
        while jobs.len() < most {
            let Some(job) = waiting.lanes[lane as usize][group].pop_front() else {
                break;
            };
            taken += 1;
            if job.is_cancelled() {
                self.metrics.cancelled.inc();
            } else if job.is_expired(now) {
                self.metrics.expired.inc();
                job.fail(EngineError::DeadlineExceeded);
            } else {
                self.metrics
                    .queue_seconds(lane)
                    .observe((now - job.enqueued).as_secs_f64());
                jobs.push(job);
            }
        }
        waiting.queued[lane as usize] -= taken;
        waiting.rate.count(jobs.len(), now);
        // An empty batch is not run, so nothing would report that it is done.
        if !jobs.is_empty() {
            waiting.times.start(group, jobs.len(), now);
        }
        self.metrics.queue_depth(lane).sub(taken as i64);
        Batch {
            group,
            modality,
            lane,
            jobs,
            taken: now,
        }
    }

    fn lock(&self) -> MutexGuard<'_, Waiting> {
        // The state is consistent between statements: a panic elsewhere does not spoil it.
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Waiting {
    /// Items that are being decoded or tokenised.
    fn preparing(&self) -> usize {
        self.reserved.iter().map(|lane| lane.count()).sum()
    }

    fn choose_lane(&mut self) -> Lane {
        let has_work = |lane: Lane| {
            self.lanes[lane as usize]
                .iter()
                .any(|group| !group.is_empty())
        };
        let lane = match (has_work(Lane::Interactive), has_work(Lane::Bulk)) {
            (true, true) if self.turns_without_bulk + 1 >= BULK_TURN => Lane::Bulk,
            (true, _) => Lane::Interactive,
            (false, _) => Lane::Bulk,
        };
        self.turns_without_bulk = if lane == Lane::Bulk {
            0
        } else {
            self.turns_without_bulk + 1
        };
        lane
    }

    fn choose_group(&self, lane: Lane) -> usize {
        let first = |group: &VecDeque<Job>| group.front().map(|job| job.enqueued);
        let groups = self.lanes[lane as usize].iter().enumerate();
        groups
            .filter_map(|(i, group)| first(group).map(|since| (since, i)))
            .min()
            .map_or(0, |(_, i)| i)
    }
}

fn modality_of(group: usize) -> Modality {
    if group == 0 {
        Modality::Image
    } else {
        Modality::Text
    }
}

fn group_of(input: &Input) -> usize {
    match input {
        Input::Image(_) => 0,
        Input::Text(ids) => {
            1 + (ids.len().max(1).next_power_of_two().ilog2() as usize).min(TEXT_GROUPS - 1)
        }
    }
}

#[cfg(test)]
mod tests;
