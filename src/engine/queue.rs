//! The waiting line in front of the workers: bounded, two lanes, batches of one kind.
//!
//! Items wait in groups that can share a batch: images together, texts with texts of about the same length (a batch of
//! texts is padded to its longest, and padding costs as much as text). A batch is the group whose first item has waited
//! longest, formed when a worker is free; nothing waits for company.

use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::EngineError;
use super::job::{Input, Job, Lane, Modality};
use super::service_rate::ServiceRate;
use crate::telemetry::Metrics;

/// Text lengths in one group differ by less than a factor of two; 2^16 is the longest context that a manifest may have.
const TEXT_GROUPS: usize = 17;
const GROUPS: usize = 1 + TEXT_GROUPS;

/// While interactive work never ends, one batch in this many is bulk, so that bulk work cannot starve.
const BULK_TURN: u32 = 16;

/// What a batch may hold.
#[derive(Debug, Clone, Copy)]
pub struct BatchLimits {
    /// Most images in a batch.
    pub images: usize,
    /// Most texts in a batch.
    pub texts: usize,
    /// Longest time that a bulk batch should take.
    pub bulk_time: Duration,
}

/// Items of one modality that one run of an encoder answers.
#[derive(Debug)]
pub struct Batch {
    /// Which items share a batch; for [`Queue::record`].
    pub group: usize,
    pub modality: Modality,
    pub lane: Lane,
    pub jobs: Vec<Job>,
}

#[derive(Debug)]
struct Waiting {
    lanes: [[VecDeque<Job>; GROUPS]; 2],
    queued: [usize; 2],
    turns_without_bulk: u32,
    /// Set once: why nothing more is taken in.
    closed: Option<EngineError>,
    rate: ServiceRate,
    /// Seconds of one item in a batch, by group, smoothed; 0 before the first.
    item_seconds: [f64; GROUPS],
}

/// The queue of one model.
#[derive(Debug)]
pub struct Queue {
    waiting: Mutex<Waiting>,
    work: Condvar,
    capacity: usize,
    limits: BatchLimits,
    metrics: Arc<Metrics>,
}

impl Queue {
    pub fn new(capacity: usize, limits: BatchLimits, metrics: Arc<Metrics>) -> Self {
        let lanes = std::array::from_fn(|_| std::array::from_fn(|_| VecDeque::new()));
        let waiting = Waiting {
            lanes,
            queued: [0; 2],
            turns_without_bulk: 0,
            closed: None,
            rate: ServiceRate::default(),
            item_seconds: [0.0; GROUPS],
        };
        Self {
            waiting: Mutex::new(waiting),
            work: Condvar::new(),
            capacity,
            limits,
            metrics,
        }
    }

    /// Puts a request's items in, all or none. A request may be larger than the queue: it gets in when the queue is empty.
    pub fn push(&self, jobs: Vec<Job>, lane: Lane) -> Result<(), EngineError> {
        let mut waiting = self.lock();
        if let Some(reason) = &waiting.closed {
            return Err(reason.clone());
        }
        // Each lane has a bound of its own: bulk work that fills its lane must not shut the other one.
        let queued = waiting.queued[lane as usize];
        if queued > 0 && queued + jobs.len() > self.capacity {
            let retry_after_seconds = waiting.rate.seconds_for(queued);
            return Err(EngineError::Overloaded {
                queued,
                retry_after_seconds,
            });
        }
        let count = jobs.len();
        waiting.queued[lane as usize] += count;
        for job in jobs {
            waiting.lanes[lane as usize][group_of(&job.input)].push_back(job);
        }
        self.metrics.queue_depth(lane).add(count as i64);
        drop(waiting);
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
        loop {
            while waiting.queued != [0; 2] {
                let batch = self.next_batch(&mut waiting);
                if !batch.jobs.is_empty() {
                    return Some(batch);
                }
            }
            if waiting.closed.is_some() {
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
        let known = &mut waiting.item_seconds[group];
        let measured = seconds / items.max(1) as f64;
        *known = if *known > 0.0 {
            0.8 * *known + 0.2 * measured
        } else {
            measured
        };
    }

    /// Takes nothing more in; what is queued is still run.
    pub fn close(&self) {
        self.lock().closed.get_or_insert(EngineError::Stopping);
        self.work.notify_all();
    }

    /// Takes nothing more in and answers everything that waits: there is nobody left to run it.
    pub fn fail_all(&self, reason: &EngineError) {
        let mut waiting = self.lock();
        waiting.closed = Some(reason.clone());
        waiting.queued = [0; 2];
        let jobs: Vec<Job> = waiting
            .lanes
            .iter_mut()
            .flatten()
            .flat_map(|group| group.drain(..))
            .collect();
        drop(waiting);
        Lane::ALL
            .iter()
            .for_each(|lane| self.metrics.queue_depth(*lane).set(0));
        for job in jobs {
            job.answer(Err(reason.clone()));
        }
        self.work.notify_all();
    }

    fn next_batch(&self, waiting: &mut Waiting) -> Batch {
        let lane = waiting.choose_lane();
        let group = waiting.choose_group(lane);
        let modality = if group == 0 {
            Modality::Image
        } else {
            Modality::Text
        };
        let mut most = if group == 0 {
            self.limits.images
        } else {
            self.limits.texts
        };
        let item_seconds = waiting.item_seconds[group];
        if lane == Lane::Bulk && item_seconds > 0.0 {
            // An interactive item that comes now waits for this batch: it must be short.
            let fit = self.limits.bulk_time.as_secs_f64() / item_seconds;
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
                job.answer(Err(EngineError::DeadlineExceeded));
            } else {
                self.metrics
                    .queue_seconds(lane)
                    .observe((now - job.enqueued).as_secs_f64());
                jobs.push(job);
            }
        }
        waiting.queued[lane as usize] -= taken;
        waiting.rate.count(jobs.len(), now);
        self.metrics.queue_depth(lane).sub(taken as i64);
        Batch {
            group,
            modality,
            lane,
            jobs,
        }
    }

    fn lock(&self) -> MutexGuard<'_, Waiting> {
        // The state is consistent between statements: a panic elsewhere does not spoil it.
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Waiting {
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

fn group_of(input: &Input) -> usize {
    match input {
        Input::Image(_) => 0,
        Input::Text(ids) => {
            1 + (ids.len().max(1).next_power_of_two().ilog2() as usize).min(TEXT_GROUPS - 1)
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::sync::oneshot;

    use super::*;
    use crate::engine::job::Embedding;
    use crate::preprocess::Pixels;

    type Reply = oneshot::Receiver<Result<Embedding, EngineError>>;

    fn queue(capacity: usize) -> Queue {
        Queue::new(
            capacity,
            BatchLimits {
                images: 4,
                texts: 4,
                bulk_time: Duration::from_millis(150),
            },
            Arc::new(Metrics::new().unwrap()),
        )
    }

    fn job(input: Input, deadline: Option<Instant>) -> (Job, Reply) {
        let (reply, receiver) = oneshot::channel();
        (
            Job {
                input,
                deadline,
                enqueued: Instant::now(),
                reply,
            },
            receiver,
        )
    }

    fn text(tokens: usize) -> (Job, Reply) {
        job(Input::Text(vec![1; tokens]), None)
    }

    fn image() -> (Job, Reply) {
        job(Input::Image(Pixels::U8(vec![0; 3])), None)
    }

    fn push(queue: &Queue, lane: Lane, jobs: Vec<(Job, Reply)>) -> Vec<Reply> {
        let (jobs, replies) = jobs.into_iter().unzip();
        queue.push(jobs, lane).unwrap();
        replies
    }

    #[test]
    fn a_batch_has_one_modality_and_texts_of_like_length() {
        let queue = queue(100);
        let _replies = push(
            &queue,
            Lane::Interactive,
            vec![
                text(5),
                image(),
                text(60),
                text(7),
                image(),
                text(8),
                text(9),
            ],
        );
        let sizes: Vec<_> = (0..4)
            .map(|_| queue.take().map(|b| (b.modality, b.jobs.len())).unwrap())
            .collect();
        assert_eq!(
            sizes,
            [
                (Modality::Text, 3),
                (Modality::Image, 2),
                (Modality::Text, 1),
                (Modality::Text, 1)
            ]
        );
    }

    #[test]
    fn interactive_goes_first_and_bulk_is_not_starved() {
        let queue = queue(1000);
        let _bulk = push(&queue, Lane::Bulk, (0..4).map(|_| image()).collect());
        let _interactive = push(
            &queue,
            Lane::Interactive,
            (0..4 * BULK_TURN).map(|_| image()).collect(),
        );
        let lanes: Vec<_> = (0..BULK_TURN).map(|_| queue.take().unwrap().lane).collect();
        assert_eq!(lanes.iter().filter(|lane| **lane == Lane::Bulk).count(), 1);
        assert_eq!(lanes[0], Lane::Interactive);
    }

    #[test]
    fn a_bulk_batch_is_as_short_as_it_must_be() {
        let queue = queue(1000);
        let _bulk = push(&queue, Lane::Bulk, (0..12).map(|_| image()).collect());
        let _interactive = push(&queue, Lane::Interactive, (0..4).map(|_| image()).collect());
        queue.record(0, 2, 0.14); // 70 ms an image: two fit into 150 ms
        let sizes: Vec<_> = (0..3)
            .map(|_| queue.take().map(|b| (b.lane, b.jobs.len())).unwrap())
            .collect();
        assert_eq!(
            sizes,
            [(Lane::Interactive, 4), (Lane::Bulk, 2), (Lane::Bulk, 2)]
        );
        (0..50).for_each(|_| queue.record(0, 1, 1.0)); // a second each: one at a time
        assert_eq!(queue.take().unwrap().jobs.len(), 1);
    }

    #[test]
    fn a_full_queue_refuses_all_of_a_request_or_none() {
        let queue = queue(4);
        let _first = push(&queue, Lane::Interactive, vec![image(), image(), image()]);
        let (jobs, _replies): (Vec<_>, Vec<_>) = (0..2).map(|_| image()).unzip();
        assert!(matches!(
            queue.push(jobs, Lane::Interactive),
            Err(EngineError::Overloaded { queued: 3, .. })
        ));
        assert_eq!(queue.take().unwrap().jobs.len(), 3);
        let _large = push(&queue, Lane::Bulk, (0..9).map(|_| image()).collect());
    }

    #[test]
    fn cancelled_and_expired_items_are_not_run() {
        let queue = queue(100);
        let (cancelled, gone) = image();
        drop(gone);
        let (expired, mut late) = job(
            Input::Image(Pixels::U8(vec![])),
            Some(Instant::now() - Duration::from_secs(1)),
        );
        let (wanted, _reply) = image();
        queue
            .push(vec![cancelled, expired, wanted], Lane::Interactive)
            .unwrap();
        assert_eq!(queue.take().unwrap().jobs.len(), 1);
        assert_eq!(late.try_recv().unwrap(), Err(EngineError::DeadlineExceeded));
    }

    #[test]
    fn a_closed_queue_runs_what_it_took_in_and_takes_nothing_more() {
        let queue = queue(100);
        let _replies = push(&queue, Lane::Interactive, vec![image()]);
        queue.close();
        assert_eq!(
            queue.push(vec![image().0], Lane::Interactive),
            Err(EngineError::Stopping)
        );
        assert_eq!(queue.take().unwrap().jobs.len(), 1);
        assert!(queue.take().is_none());
    }

    #[test]
    fn when_nobody_is_left_everyone_is_told() {
        let queue = queue(100);
        let mut replies = push(&queue, Lane::Bulk, vec![image(), text(3)]);
        queue.fail_all(&EngineError::Dead);
        for reply in &mut replies {
            assert_eq!(reply.try_recv().unwrap(), Err(EngineError::Dead));
        }
        assert!(queue.take().is_none());
    }
}
