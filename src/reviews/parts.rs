//! Labelled parts with their scores: what a line is calibrated with.

use sqlx::any::AnyRow;
use sqlx::{FromRow, Row as _};

use super::error::ReviewError;
use super::events::{Event, What};
use super::{Reviews, new_id, now};

/// A part to store.
#[derive(Debug, Clone, PartialEq)]
pub struct NewPart {
    /// Its lot.
    pub lot: String,
    /// `ok` or `ng`.
    pub class: &'static str,
    /// Its score.
    pub score: f64,
    /// Figures of its pictures, as JSON.
    pub camera: String,
    /// SHA-256 of the hashes of its images.
    pub content: String,
}

/// A stored part.
#[derive(Debug, Clone, PartialEq)]
pub struct LabelledPart {
    /// Its lot.
    pub lot: String,
    /// `ok` or `ng`.
    pub class: String,
    /// Its score.
    pub score: f64,
    /// Figures of its pictures, as JSON.
    pub camera: String,
    /// SHA-256 of the hashes of its images.
    pub content: String,
    /// Which parts were declared fit for calibration, in words.
    pub declared: String,
    /// Who declared it.
    pub who: String,
}

impl FromRow<'_, AnyRow> for LabelledPart {
    fn from_row(row: &AnyRow) -> Result<Self, sqlx::Error> {
        Ok(Self {
            lot: row.try_get("lot")?,
            class: row.try_get("class")?,
            score: row.try_get("score")?,
            camera: row.try_get("camera")?,
            content: row.try_get("content")?,
            declared: row.try_get("declared")?,
            who: row.try_get("who")?,
        })
    }
}

impl Reviews {
    /// Adds parts. Returns how many are new: one whose images are there already is left as it is.
    ///
    /// # Errors
    /// [`ReviewError`].
    pub async fn add_parts(
        &self,
        line: &str,
        scored_by: &str,
        parts: &[NewPart],
        (who, declared): (&str, &str),
    ) -> Result<u64, ReviewError> {
        let mut change = self.database.write.begin().await?;
        let mut added = 0;
        for part in parts {
            let done = sqlx::query(
                "INSERT INTO parts (id, created, line, scored_by, lot, class, score, camera, content, declared, who) \
                 VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11) ON CONFLICT (line, scored_by, content) DO NOTHING",
            )
            .bind(new_id())
            .bind(now())
            .bind(line)
            .bind(scored_by)
            .bind(&part.lot)
            .bind(part.class)
            .bind(part.score)
            .bind(&part.camera)
            .bind(&part.content)
            .bind(declared)
            .bind(who)
            .execute(&mut *change)
            .await?;
            added += done.rows_affected();
        }
        let event = Event {
            who: who.to_owned(),
            what: What::PartsAdded,
            line: line.to_owned(),
            inspection: None,
            detail: serde_json::json!({"parts": parts.len(), "new": added, "declared": declared}),
        };
        event.write(&mut change).await?;
        change.commit().await?;
        Ok(added)
    }

    /// The parts of a line with these scores, in the order in which they were added.
    ///
    /// # Errors
    /// [`ReviewError`].
    pub async fn parts(
        &self,
        line: &str,
        scored_by: &str,
    ) -> Result<Vec<LabelledPart>, ReviewError> {
        let all = sqlx::query_as(
            "SELECT lot, class, score, camera, content, declared, who FROM parts WHERE line = $1 AND scored_by = $2 ORDER BY id",
        );
        let all = all.bind(line).bind(scored_by);
        Ok(all.fetch_all(&self.database.read).await?)
    }

    /// Number of OK and of NG parts of a line with these scores, and of parts that were scored by something else.
    ///
    /// # Errors
    /// [`ReviewError`].
    pub async fn count_parts(
        &self,
        line: &str,
        scored_by: &str,
    ) -> Result<(u64, u64, u64), ReviewError> {
        let rows: Vec<(String, String, i64)> = sqlx::query_as(
            "SELECT scored_by, class, COUNT(*) FROM parts WHERE line = $1 GROUP BY scored_by, class",
        )
        .bind(line)
        .fetch_all(&self.database.read)
        .await?;
        let (mut ok, mut ng, mut others) = (0, 0, 0);
        for (by, class, count) in rows {
            let count = u64::try_from(count).unwrap_or_default();
            match (by == scored_by, class.as_str()) {
                (true, "ok") => ok += count,
                (true, _) => ng += count,
                (false, _) => others += count,
            }
        }
        Ok((ok, ng, others))
    }
}
