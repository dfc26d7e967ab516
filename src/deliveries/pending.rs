//! What waits in the outbox: which lines, their first messages, and how much.

use sqlx::any::AnyRow;
use sqlx::{FromRow, Row as _};

use super::message::Message;
use super::outbox::Outbox;
use super::pseudonyms::Pseudonyms;

/// Messages of a line that are read at a time.
const BATCH: i64 = 32;

/// How much of a sink's messages is in the outbox.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Backlog {
    /// Messages that wait.
    pub pending: i64,
    /// Since when the first of them waits, in milliseconds since 1970.
    pub oldest: Option<i64>,
    /// Messages that were given up.
    pub dead: i64,
}

impl FromRow<'_, AnyRow> for Backlog {
    fn from_row(row: &AnyRow) -> Result<Self, sqlx::Error> {
        Ok(Self {
            pending: row.try_get("pending")?,
            oldest: row.try_get("oldest")?,
            dead: row.try_get("dead")?,
        })
    }
}

impl Outbox {
    /// The lines with messages that wait for a sink.
    pub(super) async fn lines(&self, sink: &str) -> Result<Vec<String>, sqlx::Error> {
        // From line to line by the index: a DISTINCT would read all messages that wait.
        let found = sqlx::query_scalar(
            "WITH RECURSIVE known(line) AS (\
             SELECT MIN(line) FROM deliveries WHERE sink = $1 AND dead = 0 \
             UNION ALL SELECT (SELECT MIN(next.line) FROM deliveries AS next \
             WHERE next.sink = $1 AND next.dead = 0 AND next.line > known.line) FROM known WHERE known.line IS NOT NULL) \
             SELECT line FROM known WHERE line IS NOT NULL",
        );
        found.bind(sink).fetch_all(&self.database.read).await
    }

    /// The first messages of a line that wait for a sink, in the order of their ids, with pseudonyms if there are any.
    pub(super) async fn first(
        &self,
        sink: &str,
        line: &str,
        pseudonyms: Option<&Pseudonyms>,
    ) -> Result<Vec<Message>, sqlx::Error> {
        let found = sqlx::query(
            "SELECT waits.id AS id, waits.line AS line, waits.event AS event, waits.queued AS queued, \
             waits.refusals AS refusals, inspections.created AS inspected, inspections.answer AS answer, \
             verdicts.created AS said, verdicts.verdict AS verdict, verdicts.kind AS kind, verdicts.caption AS caption, \
             verdicts.reason AS reason, verdicts.who AS who, events.created AS happened, events.detail AS detail \
             FROM (SELECT * FROM deliveries WHERE sink = $1 AND line = $2 AND dead = 0 ORDER BY id LIMIT $3) AS waits \
             LEFT JOIN inspections ON inspections.id = waits.inspection \
             LEFT JOIN verdicts ON verdicts.id = waits.id \
             LEFT JOIN events ON events.id = waits.id AND events.what = 'drift' ORDER BY waits.id",
        );
        let found = found.bind(sink).bind(line).bind(BATCH);
        let rows = found.fetch_all(&self.database.read).await?;
        let read = |row| Message::read(row, pseudonyms);
        rows.iter().map(read).collect()
    }

    /// Removes messages that a sink has acknowledged.
    pub(super) async fn delivered(&self, sink: &str, ids: &[String]) -> Result<(), sqlx::Error> {
        if ids.is_empty() {
            return Ok(());
        }
        let places: Vec<_> = (2..ids.len() + 2)
            .map(|place| format!("${place}"))
            .collect();
        let sql = format!(
            "DELETE FROM deliveries WHERE sink = $1 AND id IN ({})",
            places.join(", ")
        );
        let mut query = sqlx::query(&sql).bind(sink);
        for id in ids {
            query = query.bind(id);
        }
        query.execute(&self.database.write).await.map(drop)
    }

    /// Notes that the receiver has refused a message.
    pub(super) async fn refused(&self, sink: &str, id: &str) -> Result<(), sqlx::Error> {
        sqlx::query("UPDATE deliveries SET refusals = refusals + 1 WHERE sink = $1 AND id = $2")
            .bind(sink)
            .bind(id)
            .execute(&self.database.write)
            .await
            .map(drop)
    }

    /// How much of a sink's messages is there.
    ///
    /// # Errors
    /// That of the database.
    pub async fn backlog(&self, sink: &str) -> Result<Backlog, sqlx::Error> {
        let found = sqlx::query_as(
            "SELECT (SELECT COUNT(*) FROM deliveries WHERE sink = $1 AND dead = 0) AS pending, \
             (SELECT MIN(queued) FROM deliveries WHERE sink = $1 AND dead = 0) AS oldest, \
             (SELECT COUNT(*) FROM deliveries WHERE sink = $1 AND dead > 0) AS dead",
        );
        found.bind(sink).fetch_one(&self.database.read).await
    }
}
