//! Figures of a line for the people who run it: what it decided over time, who reviewed, what raised an alarm.

use sqlx::any::AnyRow;
use sqlx::{FromRow, Row as _};

use super::Reviews;
use super::error::ReviewError;
use super::events::What;

/// Alarms in a list, at most.
const MOST_ALARMS: i64 = 50;

/// What was decided in a stretch of time.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Bucket {
    /// Its begin, in milliseconds since 1970.
    pub start: i64,
    /// Decided OK.
    pub ok: i64,
    /// Decided NG.
    pub ng: i64,
    /// Left to a person.
    pub review: i64,
    /// Those of all that have a verdict now.
    pub verdicts: i64,
}

/// An alarm of a line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Alarm {
    /// Milliseconds since 1970.
    pub created: i64,
    /// The kind of event.
    pub what: String,
    /// More, as JSON.
    pub detail: String,
}

impl FromRow<'_, AnyRow> for Alarm {
    fn from_row(row: &AnyRow) -> Result<Self, sqlx::Error> {
        Ok(Self {
            created: row.try_get("created")?,
            what: row.try_get("what")?,
            detail: row.try_get("detail")?,
        })
    }
}

impl Reviews {
    /// What a line decided from a time on, in stretches of so many milliseconds. A stretch without an inspection is left out.
    ///
    /// # Errors
    /// [`ReviewError`].
    pub async fn decided_since(
        &self,
        line: &str,
        since: i64,
        stretch: i64,
    ) -> Result<Vec<Bucket>, ReviewError> {
        let rows: Vec<(i64, String, i64, i64)> = sqlx::query_as(
            "SELECT created / $3 AS stretch, decision, COUNT(*), \
             COALESCE(SUM(CASE WHEN verdict = 'none' THEN 0 ELSE 1 END), 0) \
             FROM inspections WHERE line = $1 AND created >= $2 GROUP BY created / $3, decision ORDER BY stretch",
        )
        .bind(line)
        .bind(since)
        .bind(stretch)
        .fetch_all(&self.database.read)
        .await?;
        let mut buckets: Vec<Bucket> = Vec::new();
        for (number, decision, count, verdicts) in rows {
            let start = number * stretch;
            if buckets.last().is_none_or(|last| last.start != start) {
                buckets.push(Bucket {
                    start,
                    ..Bucket::default()
                });
            }
            let Some(bucket) = buckets.last_mut() else {
                continue;
            };
            match decision.as_str() {
                "ok" => bucket.ok += count,
                "ng" => bucket.ng += count,
                _ => bucket.review += count,
            }
            bucket.verdicts += verdicts;
        }
        Ok(buckets)
    }

    /// Who gave how many verdicts about a line's inspections from a time on.
    ///
    /// # Errors
    /// [`ReviewError`].
    pub async fn verdicts_since(
        &self,
        line: &str,
        since: i64,
    ) -> Result<Vec<(String, i64)>, ReviewError> {
        let rows = sqlx::query_as(
            "SELECT who, COUNT(*) FROM events WHERE line = $1 AND what = $2 AND created >= $3 GROUP BY who ORDER BY who",
        );
        let rows = rows.bind(line).bind(What::Verdict.name()).bind(since);
        Ok(rows.fetch_all(&self.database.read).await?)
    }

    /// The last alarms of a line, and their ends, the newest first.
    ///
    /// # Errors
    /// [`ReviewError`].
    pub async fn alarms(&self, line: &str) -> Result<Vec<Alarm>, ReviewError> {
        let mut alarms: Vec<Alarm> = Vec::new();
        for what in [What::Drift, What::DriftDismissed, What::TriggerGap] {
            let rows = sqlx::query_as(
                "SELECT created, what, detail FROM events WHERE line = $1 AND what = $2 ORDER BY id DESC LIMIT $3",
            );
            let rows = rows.bind(line).bind(what.name()).bind(MOST_ALARMS);
            alarms.extend(rows.fetch_all(&self.database.read).await?);
        }
        alarms.sort_by_key(|alarm| std::cmp::Reverse(alarm.created));
        alarms.truncate(usize::try_from(MOST_ALARMS).unwrap_or(usize::MAX));
        Ok(alarms)
    }
}
