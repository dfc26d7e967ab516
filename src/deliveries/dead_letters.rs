//! Messages that were given up: kept until a person puts them back.

use sqlx::any::AnyRow;
use sqlx::{FromRow, Row as _};

use super::outbox::Outbox;
use crate::database::now;

/// A message that was given up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeadLetter {
    /// Its id.
    pub id: String,
    /// The line.
    pub line: String,
    /// What it tells of.
    pub event: String,
    /// The inspection.
    pub inspection: String,
    /// When it was put into the outbox, in milliseconds since 1970.
    pub queued: i64,
    /// When it was given up.
    pub dead: i64,
    /// How many times the receiver has refused it.
    pub refusals: i64,
    /// Why it was given up.
    pub error: String,
}

/// Some of them, in the order of their ids.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeadPage {
    /// The messages.
    pub data: Vec<DeadLetter>,
    /// What to ask for the next page with; `None` on the last one.
    pub next: Option<String>,
}

impl FromRow<'_, AnyRow> for DeadLetter {
    fn from_row(row: &AnyRow) -> Result<Self, sqlx::Error> {
        Ok(Self {
            id: row.try_get("id")?,
            line: row.try_get("line")?,
            event: row.try_get("event")?,
            inspection: row.try_get("inspection")?,
            queued: row.try_get("queued")?,
            dead: row.try_get("dead")?,
            refusals: row.try_get("refusals")?,
            error: row
                .try_get::<Option<String>, _>("error")?
                .unwrap_or_default(),
        })
    }
}

impl Outbox {
    /// Gives a message up.
    pub(super) async fn give_up(
        &self,
        sink: &str,
        id: &str,
        error: &str,
    ) -> Result<(), sqlx::Error> {
        sqlx::query(
            "UPDATE deliveries SET dead = $3, error = $4 WHERE sink = $1 AND id = $2 AND dead = 0",
        )
        .bind(sink)
        .bind(id)
        .bind(now())
        .bind(error)
        .execute(&self.database.write)
        .await
        .map(drop)
    }

    /// Gives up the messages of a line that have waited since before a time. Returns their number.
    pub(super) async fn give_up_old(
        &self,
        sink: &str,
        line: &str,
        before: i64,
        error: &str,
    ) -> Result<u64, sqlx::Error> {
        let done = sqlx::query(
            "UPDATE deliveries SET dead = $4, error = $5 WHERE sink = $1 AND line = $2 AND queued < $3 AND dead = 0",
        )
        .bind(sink)
        .bind(line)
        .bind(before)
        .bind(now())
        .bind(error)
        .execute(&self.database.write)
        .await?;
        Ok(done.rows_affected())
    }

    /// Messages of a sink that were given up, after an id; "" for the first ones.
    ///
    /// # Errors
    /// That of the database.
    pub async fn dead(
        &self,
        sink: &str,
        after: &str,
        limit: usize,
    ) -> Result<DeadPage, sqlx::Error> {
        let found = sqlx::query_as(
            "SELECT id, line, event, inspection, queued, dead, refusals, error FROM deliveries \
             WHERE sink = $1 AND dead > 0 AND id > $2 ORDER BY id LIMIT $3",
        );
        // One more than wanted says whether there is a next page.
        let most = i64::try_from(limit.saturating_add(1)).unwrap_or(i64::MAX);
        let found = found.bind(sink).bind(after).bind(most);
        let mut data: Vec<DeadLetter> = found.fetch_all(&self.database.read).await?;
        let more = data.len() > limit;
        data.truncate(limit);
        let next = data.last().filter(|_| more).map(|last| last.id.clone());
        Ok(DeadPage { data, next })
    }

    /// Puts all messages of a sink back that were given up, as if they were new. Returns their number.
    ///
    /// # Errors
    /// That of the database.
    pub async fn put_back(&self, sink: &str) -> Result<u64, sqlx::Error> {
        let done = sqlx::query(
            "UPDATE deliveries SET dead = 0, error = NULL, refusals = 0, queued = $2 WHERE sink = $1 AND dead > 0",
        )
        .bind(sink)
        .bind(now())
        .execute(&self.database.write)
        .await?;
        self.wake();
        Ok(done.rows_affected())
    }
}
