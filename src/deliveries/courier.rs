//! The courier of a sink: finds lines with messages, and gives them turns.

use std::collections::{HashMap, HashSet};
use std::time::{Duration, Instant};

use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;

use super::pauses::pause;
use super::turn::{Ending, Work, turn};

/// Lines that have a turn at the same time, at most.
const AT_A_TIME: usize = 8;

/// Between two looks at the outbox without a sign of something new: other servers write to it too.
const LOOK: Duration = Duration::from_secs(1);

/// Between two counts of what waits.
const COUNT: Duration = Duration::from_secs(5);

/// A line whose last turn failed.
#[derive(Debug)]
struct Paused {
    failures: u32,
    until: Instant,
}

/// Delivers to a sink until the server stops. Then it ends after the messages that are on the way.
pub async fn deliver(work: Work<'_>) {
    let mut added = work.outbox.watch();
    let mut stopping = work.stopping.clone();
    let mut turns = FuturesUnordered::new();
    let mut busy: HashSet<String> = HashSet::new();
    let mut paused: HashMap<String, Paused> = HashMap::new();
    let mut counted: Option<Instant> = None;
    let mut is_failing = false;
    while !*stopping.borrow() {
        added.borrow_and_update();
        let found = waiting(work, busy.len() < AT_A_TIME).await;
        match &found {
            Err(error) if !is_failing => {
                tracing::error!(sink = work.sink.name(), %error, "messages wait: the database fails");
            }
            _ => {}
        }
        is_failing = found.is_err();
        let found = found.unwrap_or_default();
        let now = Instant::now();
        if let Some(found) = &found {
            // A line whose messages are gone has nothing to be paused for.
            paused.retain(|line, one| now < one.until || found.contains(line));
        }
        for line in found.unwrap_or_default() {
            let is_due = paused.get(&line).is_none_or(|one| one.until <= now);
            if busy.len() < AT_A_TIME && is_due && !busy.contains(&line) {
                busy.insert(line.clone());
                turns.push(turn(work, line));
            }
        }
        if counted.is_none_or(|last| last.elapsed() > COUNT) {
            counted = Some(Instant::now());
            count(work).await;
        }
        let now = Instant::now();
        let due = paused
            .values()
            .map(|one| one.until)
            .filter(|due| *due > now);
        let wait = due.min().map_or(LOOK, |due| LOOK.min(due - now));
        tokio::select! {
            Some((line, ending)) = turns.next(), if !turns.is_empty() => {
                busy.remove(&line);
                note(&mut paused, line, ending);
            }
            changed = added.changed() => if changed.is_err() { return },
            changed = stopping.changed() => if changed.is_err() { return },
            () = tokio::time::sleep(wait) => {}
        }
    }
    while turns.next().await.is_some() {}
    work.lease.give_up(work.outbox).await;
}

/// The lines with messages; `None` if this server may send none, or if there is no room for another turn.
async fn waiting(work: Work<'_>, has_room: bool) -> Result<Option<Vec<String>>, sqlx::Error> {
    work.lease.keep(work.outbox).await?;
    let is_held = work.lease.is_held();
    work.sink.status.delivers(is_held);
    if !is_held || !has_room {
        return Ok(None);
    }
    work.outbox.lines(work.sink.name()).await.map(Some)
}

fn note(paused: &mut HashMap<String, Paused>, line: String, ending: Ending) {
    match ending {
        Ending::Done => {
            paused.remove(&line);
        }
        Ending::Failed { moved } => {
            let one = paused.entry(line).or_insert(Paused {
                failures: 0,
                until: Instant::now(),
            });
            // Another message has failed than before: its first pause is a short one.
            let before = if moved { 0 } else { one.failures };
            one.failures = before.saturating_add(1);
            one.until = Instant::now() + pause(one.failures, fastrand::f64());
        }
    }
}

/// Counts what waits, for the metrics.
async fn count(work: Work<'_>) {
    let name = work.sink.name();
    if let Ok(backlog) = work.outbox.backlog(name).await {
        let now = crate::database::now();
        let seconds = backlog
            .oldest
            .map_or(0, |oldest| (now - oldest).max(0) / 1000);
        work.metrics
            .backlog(name, backlog.pending, backlog.dead, seconds);
    }
}
