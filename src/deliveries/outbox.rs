//! The outbox: a row for each sink and message, written in the transaction of what the message tells of.

use std::sync::Arc;

use sqlx::AnyConnection;
use tokio::sync::watch;
use uuid::Uuid;

use super::interest::{Interest, Occasion};
use crate::database::Database;
use crate::database::now;

/// What a message tells of.
#[derive(Debug, Clone, Copy)]
pub struct News<'a> {
    /// The message's id: that of the inspection, the verdict or the event.
    pub id: &'a str,
    /// The line.
    pub line: &'a str,
    /// What happened.
    pub event: Occasion,
    /// The inspection.
    pub inspection: &'a str,
    /// What was decided; only for [`Occasion::Inspection`].
    pub decision: Option<&'a str>,
}

/// The messages that wait. Clones share it.
#[derive(Debug, Clone)]
pub struct Outbox {
    pub(super) database: Database,
    /// Another one for each process.
    pub(super) owner: Arc<str>,
    interests: Arc<[Interest]>,
    added: Arc<watch::Sender<()>>,
}

impl Outbox {
    /// The outbox of a database, for sinks with these interests.
    pub fn new(database: Database, interests: Arc<[Interest]>) -> Self {
        Self {
            database,
            owner: Uuid::new_v4().to_string().into(),
            interests,
            added: Arc::new(watch::Sender::new(())),
        }
    }

    /// Adds a message for each sink that wants it, as a part of a change. The same message again changes nothing.
    ///
    /// # Errors
    /// That of the database.
    pub async fn add(&self, change: &mut AnyConnection, news: News<'_>) -> Result<(), sqlx::Error> {
        let News {
            id,
            line,
            event,
            inspection,
            decision,
        } = news;
        for interest in self.interests.iter() {
            if !interest.wants(line, event, decision) {
                continue;
            }
            sqlx::query(
                "INSERT INTO deliveries (sink, id, line, event, inspection, queued) VALUES ($1, $2, $3, $4, $5, $6) \
                 ON CONFLICT (sink, id) DO NOTHING",
            )
            .bind(&interest.sink)
            .bind(id)
            .bind(line)
            .bind(event.name())
            .bind(inspection)
            .bind(now())
            .execute(&mut *change)
            .await?;
        }
        Ok(())
    }

    /// Wakes the couriers, after a change with messages was committed.
    pub fn wake(&self) {
        self.added.send_replace(());
    }

    /// Notices [`Self::wake`].
    pub(super) fn watch(&self) -> watch::Receiver<()> {
        self.added.subscribe()
    }
}
