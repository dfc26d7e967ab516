//! The queue before the workers: bounded, with two lanes, and batches of one kind.
//!
//! Items wait in groups that can share a batch: images together, and texts with texts of similar length (a batch of texts is
//! padded to its longest, and padding costs as much as text). A batch is the group whose first item comes first, formed when a
//! worker is free. The policy decides whether it waits for more items; on a CPU it does not.
//!
//! Requests of a lane alternate: the second item of a request comes after the first items of the requests that arrived until
//! the first was taken (self-clocked fair queueing, Golestani, 1994). So one image does not wait for a thousand texts.

mod admission;
mod next_batch;

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Instant;

use parking_lot::{Condvar, Mutex};

pub use self::admission::Reservation;
pub use self::next_batch::Batch;
use super::backlog::{Demand, ItemTimes};
use super::batching::BatchPolicy;
use super::error::EngineError;
use super::job::{Input, Job, Lane, Modality};
use super::service_rate::ServiceRate;
use crate::telemetry::Metrics;

/// Text lengths in one group differ by less than a factor of two; 2^16 is the maximum context of a manifest.
const TEXT_GROUPS: usize = 17;
const GROUPS: usize = 1 + TEXT_GROUPS;

#[derive(Debug)]
struct Waiting {
    /// By rank, and by arrival among equal ranks.
    lanes: [[VecDeque<Job>; GROUPS]; 2],
    /// The rank of the last batch of each lane.
    clock: [u64; 2],
    queued: [usize; 2],
    /// The requests whose items are still being prepared.
    reserved: [Vec<Demand>; 2],
    /// Number of workers that wait for a batch.
    idle: usize,
    turns_without_bulk: u32,
    /// Set once: the reason why no more items are accepted.
    closed: Option<EngineError>,
    rate: ServiceRate,
    /// Time of the last search for cancelled items.
    cleaned: Option<Instant>,
    times: ItemTimes<GROUPS>,
}

/// The queue of one model.
#[derive(Debug)]
pub struct Queue {
    /// Consistent between statements, so a panic elsewhere does not corrupt it.
    waiting: Mutex<Waiting>,
    work: Condvar,
    capacity: usize,
    workers: usize,
    policy: BatchPolicy,
    metrics: Arc<Metrics>,
}

impl Queue {
    /// A queue for `workers` workers with `capacity` slots in each lane.
    pub fn new(
        capacity: usize,
        workers: usize,
        policy: BatchPolicy,
        metrics: Arc<Metrics>,
    ) -> Self {
        let lanes = std::array::from_fn(|_| std::array::from_fn(|_| VecDeque::new()));
        let waiting = Waiting {
            lanes,
            clock: [0; 2],
            queued: [0; 2],
            reserved: [Vec::new(), Vec::new()],
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

    /// Puts a request's items into their reserved slots.
    ///
    /// # Errors
    /// The reason why the queue was closed meanwhile.
    pub fn push(&self, jobs: Vec<Job>, reservation: Reservation) -> Result<(), EngineError> {
        let lane = reservation.lane;
        let count = jobs.len();
        let mut waiting = self.waiting.lock();
        if let Some(reason) = waiting.closed.clone() {
            drop(waiting); // dropping the reservation needs the lock
            return Err(reason);
        }
        waiting.queued[lane as usize] += count;
        let first = waiting.clock[lane as usize] + 1;
        for (mut job, rank) in jobs.into_iter().zip(first..) {
            job.rank = rank;
            let group = &mut waiting.lanes[lane as usize][group_of(&job.input)];
            let place = group.partition_point(|other| other.rank <= rank);
            group.insert(place, job);
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

    /// The next batch; waits for one. `None` if the queue is closed and empty.
    pub fn take(&self) -> Option<Batch> {
        let mut waiting = self.waiting.lock();
        waiting.idle += 1;
        loop {
            while waiting.queued != [0; 2] {
                if let Some(rest) = self.still_gathering(&waiting) {
                    self.work.wait_for(&mut waiting, rest);
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
            self.work.wait(&mut waiting);
        }
    }

    /// Records the time of a batch, for the size of later ones.
    pub fn record(&self, group: usize, items: usize, seconds: f64) {
        let mut waiting = self.waiting.lock();
        let modality = modality_of(group);
        waiting.times.finish(group, modality, items, seconds);
    }

    /// Closes the queue; queued items are still run.
    pub fn close(&self) {
        self.waiting
            .lock()
            .closed
            .get_or_insert(EngineError::Stopping);
        self.work.notify_all();
    }

    /// Closes the queue and answers all waiting items with an error, because no worker is left.
    pub fn fail_all(&self, reason: &EngineError) {
        let mut waiting = self.waiting.lock();
        waiting.closed = Some(reason.clone());
        let queued = std::mem::take(&mut waiting.queued);
        let jobs: Vec<Job> = waiting
            .lanes
            .iter_mut()
            .flatten()
            .flat_map(|group| group.drain(..))
            .collect();
        drop(waiting);
        // The gauge is the sum over all models, so items of other models stay in it.
        for (lane, queued) in Lane::ALL.into_iter().zip(queued) {
            self.metrics.queue_depth(lane).sub(queued as i64);
        }
        for job in jobs {
            job.fail(reason.clone());
        }
        self.work.notify_all();
    }
}

impl Waiting {
    /// Items that are being decoded or tokenised.
    fn preparing(&self) -> usize {
        self.reserved
            .iter()
            .flatten()
            .map(|demand| demand.count())
            .sum()
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
