//! The queue before the workers of features: two lanes, and batches of images of one size.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Instant;

use parking_lot::{Condvar, Mutex, MutexGuard};
use tokio::sync::oneshot;

use super::super::error::EngineError;
use super::super::job::{Deadline, Lane};
use crate::bundle::MAX_PIXELS;
use crate::preprocess::Pixels;
use crate::runtime::FeatureMap;

/// An image with the channel for its maps.
#[derive(Debug)]
pub struct FeatureJob {
    /// uint8, `[height, width, 3]`.
    pub pixels: Pixels,
    /// Height and width.
    pub size: [usize; 2],
    pub lane: Lane,
    pub deadline: Deadline,
    pub reply: oneshot::Sender<Result<Vec<FeatureMap>, EngineError>>,
    /// The request's span, for log lines of a worker about the item.
    pub span: tracing::Span,
}

impl FeatureJob {
    pub fn answer(self, result: Result<Vec<FeatureMap>, EngineError>) {
        // The receiver may have been dropped meanwhile; the answer is dropped then.
        let _ = self.reply.send(result);
    }
}

/// Images for one run of the graph.
#[derive(Debug)]
pub struct FeatureBatch {
    /// Images of one size, at least one.
    pub jobs: Vec<FeatureJob>,
    /// Whether it is one image, and nothing else waited or ran when it was taken.
    pub alone: bool,
    /// While this lives, no other image is alone.
    pub running: Running,
}

/// A batch that runs; the queue counts it until this is dropped.
#[derive(Debug)]
pub struct Running(Arc<FeatureQueue>);

impl Drop for Running {
    fn drop(&mut self) {
        self.0.lock().running -= 1;
    }
}

#[derive(Debug, Default)]
struct Waiting {
    lanes: [VecDeque<FeatureJob>; 2],
    closed: bool,
    /// Number of batches that were taken and still run.
    running: usize,
}

/// The queue of one model's features.
#[derive(Debug, Default)]
pub struct FeatureQueue {
    waiting: Mutex<Waiting>,
    work: Condvar,
}

impl FeatureQueue {
    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock()
    }

    /// Adds an image. Its memory is already counted: see `Features::maps`.
    ///
    /// # Errors
    /// [`EngineError::Stopping`] after [`FeatureQueue::close`].
    pub fn push(&self, job: FeatureJob) -> Result<(), EngineError> {
        let mut waiting = self.lock();
        if waiting.closed {
            return Err(EngineError::Stopping);
        }
        waiting.lanes[job.lane as usize].push_back(job);
        drop(waiting);
        self.work.notify_one();
        Ok(())
    }

    /// The next batch, when there is one: the first image, and images of its lane and size that follow it, of at most
    /// [`MAX_PIXELS`] pixels. Cancelled images are dropped and late ones get their error. `None` after the queue was closed
    /// and is empty.
    pub fn take(self: &Arc<Self>) -> Option<FeatureBatch> {
        let mut waiting = self.lock();
        loop {
            if let Some(jobs) = waiting.lanes.iter_mut().find_map(take_from) {
                let waits = waiting.lanes.iter().any(|lane| !lane.is_empty());
                let alone = jobs.len() == 1 && waiting.running == 0 && !waits;
                waiting.running += 1;
                return Some(FeatureBatch {
                    jobs,
                    alone,
                    running: Running(self.clone()),
                });
            }
            if waiting.closed {
                return None;
            }
            self.work.wait(&mut waiting);
        }
    }

    /// Accepts no more images; accepted ones are still run.
    pub fn close(&self) {
        self.lock().closed = true;
        self.work.notify_all();
    }

    /// Answers all waiting images with an error.
    pub fn fail_all(&self, error: &EngineError) {
        let jobs: Vec<_> = {
            let mut waiting = self.lock();
            waiting.lanes.iter_mut().flat_map(std::mem::take).collect()
        };
        jobs.into_iter()
            .for_each(|job| job.answer(Err(error.clone())));
    }
}

fn take_from(lane: &mut VecDeque<FeatureJob>) -> Option<Vec<FeatureJob>> {
    let now = Instant::now();
    let mut batch: Vec<FeatureJob> = Vec::new();
    let mut pixels = 0;
    while let Some(job) = lane.pop_front() {
        if job.reply.is_closed() {
            continue;
        }
        if job.deadline.is_some_and(|deadline| deadline <= now) {
            job.answer(Err(EngineError::DeadlineExceeded));
            continue;
        }
        let [height, width] = job.size;
        pixels += height * width;
        let joins = |first: &FeatureJob| first.size == job.size && pixels <= MAX_PIXELS;
        if batch.first().is_some_and(|first| !joins(first)) {
            lane.push_front(job);
            break;
        }
        batch.push(job);
    }
    (!batch.is_empty()).then_some(batch)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    type Receiver = oneshot::Receiver<Result<Vec<FeatureMap>, EngineError>>;

    fn job(side: usize, lane: Lane, deadline: Deadline) -> (FeatureJob, Receiver) {
        let (reply, receiver) = oneshot::channel();
        let job = FeatureJob {
            pixels: Pixels::U8(Vec::new()),
            size: [side, side],
            lane,
            deadline,
            reply,
            span: tracing::Span::none(),
        };
        (job, receiver)
    }

    fn sides(batch: Option<FeatureBatch>) -> Vec<usize> {
        let jobs = batch.map(|batch| batch.jobs).unwrap_or_default();
        jobs.iter().map(|job| job.size[0]).collect()
    }

    #[test]
    fn an_image_is_alone_if_no_other_waits_or_runs() {
        let queue = Arc::new(FeatureQueue::default());
        let mut receivers = Vec::new();
        let mut push = |side| {
            let (job, receiver) = job(side, Lane::Interactive, None);
            receivers.push(receiver);
            queue.push(job).unwrap();
        };
        push(64);
        let first = queue.take().unwrap();
        assert!(first.alone);
        push(64);
        let second = queue.take().unwrap();
        assert!(!second.alone, "another one runs");
        drop((first, second));
        push(64);
        push(96);
        assert!(!queue.take().unwrap().alone, "another one waits");
        assert!(queue.take().unwrap().alone);
        push(64);
        push(64);
        let both = queue.take().unwrap();
        assert_eq!((both.jobs.len(), both.alone), (2, false));
    }

    #[test]
    fn a_batch_has_one_size_and_a_bounded_number_of_pixels() {
        let queue = Arc::new(FeatureQueue::default());
        let mut receivers = Vec::new();
        for side in [448; 7].into_iter().chain([256, 448]) {
            let (job, receiver) = job(side, Lane::Interactive, None);
            receivers.push(receiver);
            queue.push(job).unwrap();
        }
        assert_eq!(sides(queue.take()), [448; 5]);
        assert_eq!(sides(queue.take()), [448; 2]);
        assert_eq!(sides(queue.take()), [256]);
        assert_eq!(sides(queue.take()), [448]);
    }

    #[test]
    fn interactive_images_come_first_and_useless_ones_do_not_run() {
        let queue = Arc::new(FeatureQueue::default());
        let past = Instant::now().checked_sub(Duration::from_secs(1));
        let (bulk, _kept) = job(64, Lane::Bulk, None);
        let (late, mut answer) = job(96, Lane::Interactive, past);
        let (cancelled, dropped) = job(128, Lane::Interactive, None);
        let (good, _good) = job(160, Lane::Interactive, None);
        drop(dropped);
        for job in [bulk, late, cancelled, good] {
            queue.push(job).unwrap();
        }
        assert_eq!(sides(queue.take()), [160]);
        assert_eq!(
            answer.try_recv().unwrap(),
            Err(EngineError::DeadlineExceeded)
        );
        assert_eq!(sides(queue.take()), [64]);
        queue.close();
        assert!(queue.take().is_none());
        let (after, _receiver) = job(64, Lane::Bulk, None);
        assert_eq!(queue.push(after), Err(EngineError::Stopping));
    }
}
