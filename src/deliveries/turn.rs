//! A turn of a line: its first messages are sent, one after another, until one fails.

use std::time::{Duration, Instant};

use tokio::sync::watch;

use super::definition::Sink;
use super::failure::Failure;
use super::lease::Lease;
use super::message::Message;
use super::outbox::Outbox;
use crate::database::now;
use crate::quoted::cut;
use crate::telemetry::{Attempt, DeliveryMetrics};

/// A message that was refused so many times is given up.
const MOST_REFUSALS: i64 = 5;

/// What was acknowledged is deleted together, after this time at the latest: a kill before sends it again.
const DELETED_AFTER: Duration = Duration::from_millis(500);

/// Between two attempts to delete what was acknowledged.
const PAUSE: Duration = Duration::from_secs(1);

/// What a courier works with.
#[derive(Debug, Clone, Copy)]
pub struct Work<'a> {
    pub sink: &'a Sink,
    pub outbox: &'a Outbox,
    pub lease: &'a Lease,
    pub metrics: &'a DeliveryMetrics,
    pub stopping: &'a watch::Receiver<bool>,
}

/// How a turn ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// All messages that were read are gone.
    Done,
    /// One was not taken, or the database failed. Messages before it may have gone in this turn.
    Failed {
        /// At least one was taken or given up.
        moved: bool,
    },
}

/// Sends the first messages of a line.
pub async fn turn(work: Work<'_>, line: String) -> (String, Ending) {
    let (sink, outbox) = (work.sink, work.outbox);
    let messages = outbox.first(sink.name(), &line, sink.pseudonyms.as_ref());
    let messages = match messages.await {
        Ok(messages) => messages,
        Err(error) => {
            tracing::debug!(sink = sink.name(), %error, "messages cannot be read");
            return (line, Ending::Failed { moved: false });
        }
    };
    let mut gone = Vec::new();
    let mut since = Instant::now();
    let (mut ending, mut moved) = (Ending::Done, false);
    for message in messages {
        if *work.stopping.borrow() || !work.lease.is_held() {
            break;
        }
        match sink.receiver.send(&message).await {
            Ok(()) => {
                work.metrics.attempted(sink.name(), Attempt::Delivered);
                sink.status.succeeded();
                gone.push(message.id);
                moved = true;
            }
            Err(failure) => {
                if !work.failed(&message, &failure).await {
                    ending = Ending::Failed { moved };
                    break;
                }
                moved = true;
            }
        }
        if since.elapsed() > DELETED_AFTER {
            work.delete(&mut gone).await;
            since = Instant::now();
        }
    }
    work.delete(&mut gone).await;
    (line, ending)
}

impl Work<'_> {
    /// Deletes messages that were acknowledged. While the database is away, nothing else is sent.
    async fn delete(self, gone: &mut Vec<String>) {
        while let Err(error) = self.outbox.delivered(self.sink.name(), gone).await {
            tracing::debug!(sink = self.sink.name(), %error, "messages that arrived are not deleted");
            if *self.stopping.borrow() {
                return;
            }
            tokio::time::sleep(PAUSE).await;
        }
        gone.clear();
    }

    /// Notes a failure. Returns whether the message was given up, so that the next one follows.
    async fn failed(self, message: &Message, failure: &Failure) -> bool {
        let (sink, name) = (self.sink, self.sink.name());
        let reason = &cut(failure.reason().to_owned());
        let (attempt, is_there) = match failure {
            Failure::Away(_) => (Attempt::Failed, false),
            Failure::Later(_) => (Attempt::Failed, true),
            Failure::Refused(_) => (Attempt::Refused, true),
        };
        self.metrics.attempted(name, attempt);
        let was_there = sink.status.failed(is_there, reason);
        // One line when a receiver goes away, and not one for each attempt.
        if was_there || attempt == Attempt::Refused {
            tracing::warn!(
                sink = name,
                line = message.line,
                id = message.id,
                reason,
                "a message was not taken"
            );
        }
        let done = self.judge(message, attempt, reason).await;
        done.unwrap_or_else(|error| {
            tracing::debug!(sink = name, %error, "a failure is not noted");
            false
        })
    }

    async fn judge(
        self,
        message: &Message,
        attempt: Attempt,
        reason: &str,
    ) -> Result<bool, sqlx::Error> {
        let name = self.sink.name();
        if attempt == Attempt::Refused {
            self.outbox.refused(name, &message.id).await?;
            if message.refusals + 1 >= MOST_REFUSALS {
                self.outbox.give_up(name, &message.id, reason).await?;
                tracing::error!(
                    sink = name,
                    line = message.line,
                    id = message.id,
                    reason,
                    "a message was given up"
                );
                return Ok(true);
            }
        }
        let age = i64::try_from(self.sink.max_age.as_millis()).unwrap_or(i64::MAX);
        let before = now().saturating_sub(age);
        if message.queued < before {
            let hours = self.sink.max_age.as_secs() / 3600;
            let reason = format!("not taken for {hours} hours: {reason}");
            let outbox = self.outbox;
            let given_up = outbox.give_up_old(name, &message.line, before, &reason);
            let messages = given_up.await?;
            tracing::error!(
                sink = name,
                line = message.line,
                messages,
                reason,
                "messages were given up"
            );
        }
        Ok(false)
    }
}
