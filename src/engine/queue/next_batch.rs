//! Forms the next batch: which lane, which group, and how many items.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use super::{Queue, Waiting, modality_of};
use crate::engine::error::EngineError;
use crate::engine::job::{Job, Lane, Modality};

/// While interactive work continues, one batch in this many is bulk, so that bulk work does not starve.
pub(super) const BULK_TURN: u32 = 16;

/// Items of one modality for one run of an encoder.
#[derive(Debug)]
pub struct Batch {
    /// The group of its items; for [`Queue::record`].
    pub group: usize,
    pub modality: Modality,
    pub lane: Lane,
    pub jobs: Vec<Job>,
    /// When its items were taken from the queue.
    pub taken: Instant,
    /// No other batch of the model is running, and no other item waits or is being prepared.
    pub alone: bool,
}

impl Queue {
    /// How long to wait for more items; `None` if a batch should be run now: a group is full, its first item has waited long
    /// enough, or no more items will arrive.
    ///
    /// The policy defines "long enough". If it has no value (a CPU), it is the time of one item, while at least as many
    /// items are being prepared as workers are free: preparing keeps the cores busy, and a larger batch saves some time
    /// (ViT-B/32: 78 ms per image alone, 67 in pairs, 61 in fours). So no core is idle.
    pub(super) fn still_gathering(&self, waiting: &Waiting) -> Option<Duration> {
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

    pub(super) fn next_batch(&self, waiting: &mut Waiting) -> Batch {
        let lane = waiting.choose_lane();
        let group = waiting.choose_group(lane);
        let modality = modality_of(group);
        // The waiting items are shared among all free workers, not taken by the first one.
        let share = waiting.lanes[lane as usize][group]
            .len()
            .div_ceil(waiting.idle.max(1));
        let mut most = self.policy.most(modality).min(share.max(1));
        let item_seconds = waiting.times.of(group);
        if lane == Lane::Bulk && item_seconds > 0.0 {
            // An interactive item that arrives now waits for this batch, so it must be short.
            let fit = self.policy.bulk_time.as_secs_f64() / item_seconds;
            most = most.min(fit.max(1.0) as usize);
        }
        if let Some(first) = waiting.lanes[lane as usize][group].front() {
            let clock = &mut waiting.clock[lane as usize];
            *clock = first.rank.max(*clock);
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
        // An empty batch is not run, so nothing would report its end.
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
            alone: waiting.idle == self.workers
                && waiting.queued == [0; 2]
                && waiting.preparing() == 0,
        }
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
        let first = |group: &VecDeque<Job>| group.front().map(|job| (job.rank, job.enqueued));
        let groups = self.lanes[lane as usize].iter().enumerate();
        groups
            .filter_map(|(i, group)| first(group).map(|since| (since, i)))
            .min()
            .map_or(0, |(_, i)| i)
    }
}
