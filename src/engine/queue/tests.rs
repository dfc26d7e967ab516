//! Tests of the queue without workers.

use std::time::Duration;

use tokio::sync::oneshot;

use super::admission::CLEANING;
use super::next_batch::BULK_TURN;
use super::*;
use crate::engine::intake::Intake;
use crate::engine::job::{Deadline, EncoderResult};
use crate::preprocess::Pixels;
use crate::runtime::Device;

type Reply = oneshot::Receiver<Result<EncoderResult, EngineError>>;

fn queue(capacity: usize) -> Arc<Queue> {
    Arc::new(queue_of(capacity))
}

fn queue_of(capacity: usize) -> Queue {
    let policy = BatchPolicy {
        images: 4,
        texts: 4,
        ..BatchPolicy::of(Device::Cpu)
    };
    Queue::new(capacity, 1, policy, Arc::new(Metrics::new().unwrap()))
}

fn job(input: Input, deadline: Option<Instant>) -> (Job, Reply) {
    let (reply, receiver) = oneshot::channel();
    (
        Job {
            patches: false,
            input,
            deadline,
            enqueued: Instant::now(),
            rank: 0,
            reply,
            span: tracing::Span::none(),
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

fn images(images: usize) -> Demand {
    Demand { images, texts: 0 }
}

fn push(queue: &Arc<Queue>, lane: Lane, jobs: Vec<(Job, Reply)>) -> Vec<Reply> {
    let (jobs, replies): (Vec<_>, _) = jobs.into_iter().unzip();
    let places = queue.reserve(images(jobs.len()), lane, None).unwrap();
    queue.push(jobs, places).unwrap();
    replies
}

/// Lengths of the texts of the next batches.
fn batches(queue: &Queue, count: usize) -> Vec<Vec<usize>> {
    let lengths = |batch: Batch| {
        let lengths = batch.jobs.iter().map(|job| match &job.input {
            Input::Text(ids) => ids.len(),
            Input::Image(_) => 0,
        });
        lengths.collect()
    };
    (0..count)
        .map(|_| queue.take().map(lengths).unwrap())
        .collect()
}

#[test]
fn a_small_request_does_not_wait_for_the_rest_of_a_large_one() {
    let queue = queue(100);
    let large = |count| (0..count).map(|_| text(60)).collect();
    let _large = push(&queue, Lane::Interactive, large(40));
    assert_eq!(batches(&queue, 1), [[60; 4]]);
    // Of the same group, and of another one.
    let _small = push(&queue, Lane::Interactive, vec![text(50)]);
    let _other = push(&queue, Lane::Interactive, vec![text(5), text(6)]);
    let next = batches(&queue, 3);
    assert_eq!(next[0], [50, 60, 60, 60]);
    assert_eq!(next[1], [5, 6]);
    assert_eq!(next[2], [60; 4]);
}

#[test]
fn a_batch_is_alone_if_nothing_else_runs_waits_or_is_prepared() {
    let alone = |queue: &Arc<Queue>| queue.take().unwrap().alone;
    let queue = queue(100);
    let _one = push(&queue, Lane::Interactive, vec![image()]);
    assert!(alone(&queue));
    // A batch of images, and then one of texts.
    let _two = push(&queue, Lane::Interactive, vec![image(), text(5)]);
    assert!(!alone(&queue));
    assert!(alone(&queue));
    let preparing = queue.reserve(images(1), Lane::Bulk, None).unwrap();
    let _three = push(&queue, Lane::Interactive, vec![image()]);
    assert!(!alone(&queue));
    drop(preparing);
    // The second worker has not come back from a batch.
    let policy = BatchPolicy::of(Device::Cpu);
    let metrics = Arc::new(Metrics::new().unwrap());
    let queue = Arc::new(Queue::new(100, 2, policy, metrics));
    let _four = push(&queue, Lane::Interactive, vec![image()]);
    assert!(!alone(&queue));
}

#[test]
fn a_large_request_is_not_put_off_by_small_ones() {
    let queue = queue(100);
    let _large = push(
        &queue,
        Lane::Interactive,
        vec![image(), image(), image(), image(), image()],
    );
    let mut replies = Vec::new();
    let mut images = 0;
    // Four clients, each of which sends the next text when one is answered.
    for _ in 0..4 {
        replies.extend(push(&queue, Lane::Interactive, vec![text(5)]));
    }
    for _ in 0..12 {
        let batch = queue.take().unwrap();
        match batch.modality {
            Modality::Image => images += batch.jobs.len(),
            Modality::Text => {
                for _ in &batch.jobs {
                    replies.extend(push(&queue, Lane::Interactive, vec![text(5)]));
                }
            }
        }
    }
    assert_eq!(images, 5);
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
fn interactive_comes_first_and_bulk_does_not_starve() {
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
fn a_bulk_batch_keeps_its_time_limit() {
    let queue = queue(1000);
    let _bulk = push(&queue, Lane::Bulk, (0..12).map(|_| image()).collect());
    let _interactive = push(&queue, Lane::Interactive, (0..4).map(|_| image()).collect());
    queue.record(0, 2, 0.14); // 70 ms per image: two fit into 150 ms
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
    assert!(matches!(
        queue.reserve(images(2), Lane::Interactive, None),
        Err(EngineError::Overloaded { queued: 3, .. })
    ));
    assert_eq!(queue.take().unwrap().jobs.len(), 3);
    // Reserved slots count until they are released.
    let reserved = queue.reserve(images(4), Lane::Interactive, None).unwrap();
    assert!(queue.reserve(images(1), Lane::Interactive, None).is_err());
    drop(reserved);
    assert!(queue.reserve(images(1), Lane::Interactive, None).is_ok());
    let _large = push(&queue, Lane::Bulk, (0..9).map(|_| image()).collect());
}

fn within(seconds: u64) -> Deadline {
    Some(Instant::now() + Duration::from_secs(seconds))
}

#[test]
fn late_items_are_refused_at_once() {
    let queue = queue(100);
    queue.record(0, 1, 1.0); // a second per image
    let _waiting = [(); 3].map(|()| push(&queue, Lane::Interactive, vec![image()]));
    let reserve = |lane, seconds| queue.reserve(images(1), lane, within(seconds));
    // Three before it, and its own batch may have four.
    assert!(matches!(
        reserve(Lane::Interactive, 6),
        Err(EngineError::Overloaded { .. })
    ));
    let held = reserve(Lane::Interactive, 10).unwrap();
    // Items that are being prepared are ahead too.
    assert!(reserve(Lane::Interactive, 9).is_err());
    drop(held);
    assert!(reserve(Lane::Interactive, 9).is_ok());
    // A bulk item comes after all of them. The first in its lane is always accepted.
    let _bulk = reserve(Lane::Bulk, 2).unwrap();
    assert!(reserve(Lane::Bulk, 9).is_err());
    // A running batch is ahead for its expected time.
    assert_eq!(queue.take().unwrap().jobs.len(), 3);
    let _next = push(&queue, Lane::Interactive, vec![image()]);
    assert!(reserve(Lane::Interactive, 5).is_err());
    assert!(reserve(Lane::Interactive, 9).is_ok());
    queue.record(0, 3, 3.0);
    assert!(reserve(Lane::Interactive, 5).is_ok());
}

#[test]
fn the_estimate_of_a_small_request_does_not_count_the_rest_of_a_large_one() {
    let queue = queue(1000);
    queue.record(0, 1, 1.0); // a second per image
    let text_group = group_of(&text(60).0.input);
    queue.record(text_group, 1, 1.0);
    let large = |job: fn() -> (Job, Reply)| (0..40).map(|_| job()).collect();
    let _images = push(&queue, Lane::Interactive, large(image));
    let _texts = push(&queue, Lane::Interactive, large(|| text(60)));
    let reserve = |count, seconds| queue.reserve(images(count), Lane::Interactive, within(seconds));
    // A batch of four texts, and its own batch of four images.
    let small = reserve(1, 12).unwrap();
    // The images of a second large request wait for all 80 items.
    assert!(reserve(40, 90).is_err());
    assert!(reserve(40, 180).is_ok());
    // The queue keeps the order of the estimate: the small request is in one of the first two batches.
    let (job, mut reply) = image();
    queue.push(vec![job], small).unwrap();
    for _ in 0..2 {
        for job in queue.take().unwrap().jobs {
            job.fail(EngineError::Dead);
        }
    }
    assert!(reply.try_recv().is_ok());
}

#[test]
fn the_estimate_of_a_small_request_counts_one_turn_of_a_large_one_that_is_being_prepared() {
    let queue = queue(1000);
    queue.record(0, 1, 1.0);
    let _large = queue.reserve(images(40), Lane::Interactive, None).unwrap();
    let reserve = |lane, seconds| queue.reserve(images(1), lane, within(seconds));
    assert!(reserve(Lane::Interactive, 12).is_ok());
    // Bulk items come after all of them.
    let _bulk = queue.reserve(images(1), Lane::Bulk, None).unwrap();
    assert!(reserve(Lane::Bulk, 40).is_err());
    assert!(reserve(Lane::Bulk, 70).is_ok());
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
    let places = queue.reserve(images(3), Lane::Interactive, None).unwrap();
    queue
        .push(vec![cancelled, expired, wanted], places)
        .unwrap();
    assert_eq!(queue.take().unwrap().jobs.len(), 1);
    assert_eq!(late.try_recv().unwrap(), Err(EngineError::DeadlineExceeded));
}

#[test]
fn cancelled_items_release_their_slots() {
    let queue = queue(4);
    let mut replies = push(&queue, Lane::Interactive, (0..4).map(|_| image()).collect());
    assert!(queue.reserve(images(1), Lane::Interactive, None).is_err());
    replies.truncate(1);
    std::thread::sleep(CLEANING);
    let places = queue.reserve(images(3), Lane::Interactive, None).unwrap();
    assert_eq!(queue.metrics.queue_depth(Lane::Interactive).get(), 1);
    drop(places);
    assert_eq!(queue.take().unwrap().jobs.len(), 1);
}

#[test]
fn a_closed_queue_runs_accepted_items_and_accepts_no_more() {
    let queue = queue(100);
    let _replies = push(&queue, Lane::Interactive, vec![image()]);
    let places = queue.reserve(images(1), Lane::Interactive, None).unwrap();
    queue.close();
    let refused = queue.reserve(images(1), Lane::Interactive, None);
    assert_eq!(refused.map(drop), Err(EngineError::Stopping));
    let late = queue.push(vec![image().0], places);
    assert_eq!(late, Err(EngineError::Stopping));
    assert_eq!(queue.take().unwrap().jobs.len(), 1);
    assert!(queue.take().is_none());
}

#[test]
fn the_last_holder_of_a_model_closes_the_queue() {
    let model = Arc::new(Intake::new(queue_of(100)));
    let (request, worker) = (model.clone(), Arc::clone(&**model));
    drop(model);
    let _replies = push(&request, Lane::Interactive, vec![image()]);
    drop(request);
    assert_eq!(worker.take().unwrap().jobs.len(), 1);
    assert!(worker.take().is_none());
}

#[test]
fn without_workers_all_items_get_an_error() {
    let queue = queue(100);
    let mut replies = push(&queue, Lane::Bulk, vec![image(), text(3)]);
    // Items of another model, in the same gauge.
    queue.metrics.queue_depth(Lane::Bulk).add(5);
    queue.fail_all(&EngineError::Dead);
    assert_eq!(queue.metrics.queue_depth(Lane::Bulk).get(), 5);
    for reply in &mut replies {
        assert_eq!(reply.try_recv().unwrap(), Err(EngineError::Dead));
    }
    assert!(queue.take().is_none());
}
