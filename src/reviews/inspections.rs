//! Inspections: what was decided about a part, and with which images.

use bytes::Bytes;
use sqlx::Row as _;
use sqlx::any::AnyRow;

use super::Reviews;
use super::error::ReviewError;
use super::image_hash::ImageHash;

/// A stored inspection.
#[derive(Debug, Clone, PartialEq)]
pub struct Inspection {
    /// Its id.
    pub id: String,
    /// Milliseconds since 1970.
    pub created: i64,
    /// The line.
    pub line: String,
    /// `ok`, `ng` or `review`.
    pub decision: String,
    /// What the score depends on: model and reference.
    pub scored_by: String,
    /// The part's score.
    pub score: Option<f64>,
    /// The lot.
    pub lot: Option<String>,
    /// Whether a keyed hash chose it for a person.
    pub audit: bool,
    /// The last verdict that was not undone.
    pub verdict: Option<String>,
    /// The answer, as it was given.
    pub answer: String,
    /// [`ImageHash::of_all`] of its images.
    pub content: String,
}

/// The columns of [`Inspection`].
pub(super) const COLUMNS: &str =
    "id, created, line, decision, scored_by, score, lot, audit, verdict, answer, content";

impl Inspection {
    pub(super) fn read(row: &AnyRow) -> Result<Self, sqlx::Error> {
        let verdict: String = row.try_get("verdict")?;
        Ok(Self {
            id: row.try_get("id")?,
            created: row.try_get("created")?,
            line: row.try_get("line")?,
            decision: row.try_get("decision")?,
            scored_by: row.try_get("scored_by")?,
            score: row.try_get("score")?,
            lot: row.try_get("lot")?,
            audit: row.try_get::<i64, _>("audit")? != 0,
            verdict: (verdict != "none").then_some(verdict),
            answer: row.try_get("answer")?,
            content: row.try_get("content")?,
        })
    }
}

/// An inspection that was stored with the same idempotency key, or with the same id.
#[derive(Debug)]
pub struct Known {
    /// Its id.
    pub id: String,
    /// The answer, as it was given.
    pub answer: String,
    /// It waits in a file for the database.
    pub waits: bool,
}

impl From<Inspection> for Known {
    fn from(found: Inspection) -> Self {
        Self {
            id: found.id,
            answer: found.answer,
            waits: false,
        }
    }
}

impl Reviews {
    /// The answer to an inspection with an idempotency key, if there is one that is stored, or that waits for the database. One
    /// that may wait does not fail if the database is not there.
    ///
    /// # Errors
    /// [`ReviewError::KeyReused`] if the images are others, and others.
    pub async fn answered(
        &self,
        line: &str,
        key: &str,
        content: &str,
        may_wait: bool,
    ) -> Result<Option<Known>, ReviewError> {
        if let Some(waits) = self.waiting.by_key(line, key, content)? {
            return Ok(Some(Known {
                id: waits.id,
                answer: waits.answer,
                waits: true,
            }));
        }
        let known = self.by_key(line, key, content);
        let known = if may_wait {
            self.unless_outage(known).await?
        } else {
            self.within_request(known).await?
        };
        Ok(known.map(Known::from))
    }

    /// The inspection of an idempotency key, if there is one. `content` is [`ImageHash::of_all`] of the images that came
    /// with the key now.
    ///
    /// # Errors
    /// [`ReviewError::KeyReused`] if the images are others, and others.
    pub async fn by_key(
        &self,
        line: &str,
        key: &str,
        content: &str,
    ) -> Result<Option<Inspection>, ReviewError> {
        let sql =
            format!("SELECT {COLUMNS} FROM inspections WHERE line = $1 AND idempotency_key = $2");
        let row = sqlx::query(&sql).bind(line).bind(key);
        let Some(row) = row.fetch_optional(&self.database.read).await? else {
            return Ok(None);
        };
        let known = Inspection::read(&row)?;
        if known.content == content {
            Ok(Some(known))
        } else {
            Err(ReviewError::KeyReused(known.id))
        }
    }

    /// An image of an inspection, with its content type. `place` is counted from 0.
    ///
    /// # Errors
    /// [`ReviewError::NoInspection`] if the inspection or the place is unknown, [`ReviewError::ImageDeleted`], and others.
    pub async fn image(&self, id: &str, place: i64) -> Result<(Bytes, String), ReviewError> {
        let row: Option<(String, String, i64)> = sqlx::query_as(
            "SELECT hash, kind, deleted FROM inspection_images WHERE inspection = $1 AND place = $2",
        )
        .bind(id)
        .bind(place)
        .fetch_optional(&self.database.read)
        .await?;
        let (hash, kind, deleted) = row.ok_or(ReviewError::NoInspection)?;
        if deleted != 0 {
            return Err(ReviewError::ImageDeleted);
        }
        let image = self.images.get(&ImageHash::stored(hash)).await?;
        image
            .map(|image| (image, kind))
            .ok_or(ReviewError::ImageDeleted)
    }

    /// Id and score of a calibration's last inspections that the monitors have seen, after an id, the oldest first.
    ///
    /// # Errors
    /// [`ReviewError`].
    pub async fn last_scores(
        &self,
        calibration: &str,
        after: &str,
        most: i64,
    ) -> Result<Vec<(String, Option<f64>)>, ReviewError> {
        let rows = sqlx::query_as(
            "SELECT id, score FROM inspections WHERE calibration = $1 AND id > $2 AND observed = 1 \
             ORDER BY id DESC LIMIT $3",
        );
        let rows = rows.bind(calibration).bind(after).bind(most);
        let mut scores: Vec<_> = rows.fetch_all(&self.database.read).await?;
        scores.reverse();
        Ok(scores)
    }

    /// The last trigger number of a station.
    ///
    /// # Errors
    /// [`ReviewError`].
    pub async fn last_trigger(
        &self,
        line: &str,
        station: &str,
    ) -> Result<Option<i64>, ReviewError> {
        let found = sqlx::query_scalar(
            "SELECT trigger_number FROM (SELECT trigger_number, station, id FROM inspections WHERE line = $1 \
             ORDER BY id DESC LIMIT 1000) AS latest WHERE COALESCE(station, '') = $2 AND trigger_number IS NOT NULL \
             ORDER BY id DESC LIMIT 1",
        );
        let found = found.bind(line).bind(station);
        Ok(found.fetch_optional(&self.database.read).await?)
    }

    /// What a person found among the inspections that the hash chose and the line decided OK: verdict and number of each,
    /// `none` for those without.
    ///
    /// # Errors
    /// [`ReviewError`].
    pub async fn shipped_audit(&self, line: &str) -> Result<Vec<(String, i64)>, ReviewError> {
        let counts = sqlx::query_as(
            "SELECT verdict, COUNT(*) FROM inspections WHERE line = $1 AND audit = 1 AND decision = 'ok' GROUP BY verdict",
        );
        Ok(counts.bind(line).fetch_all(&self.database.read).await?)
    }

    /// All inspections of a line with these scores that the hash chose, from a time and before another, in milliseconds
    /// since 1970.
    ///
    /// # Errors
    /// [`ReviewError::Unreachable`] as long as inspections wait for the database, and others.
    pub async fn audited(
        &self,
        line: &str,
        scored_by: &str,
        (from, before): (i64, i64),
    ) -> Result<Vec<Inspection>, ReviewError> {
        if self.waiting() > 0 {
            return Err(ReviewError::Unreachable);
        }
        let sql = format!(
            "SELECT {COLUMNS} FROM inspections WHERE line = $1 AND audit = 1 AND scored_by = $2 \
             AND created >= $3 AND created < $4 ORDER BY id"
        );
        let rows = sqlx::query(&sql);
        let rows = rows.bind(line).bind(scored_by).bind(from).bind(before);
        let rows = rows.fetch_all(&self.database.read).await?;
        Ok(rows
            .iter()
            .map(Inspection::read)
            .collect::<Result<_, _>>()?)
    }

    /// The first inspection that a calibrated line sent to review with one of these images.
    ///
    /// # Errors
    /// [`ReviewError`].
    pub async fn reviewed_with(
        &self,
        line: &str,
        images: &[ImageHash],
    ) -> Result<Option<String>, ReviewError> {
        let waits = self.waiting.reviewed_with(line, images);
        if waits.is_some() {
            return Ok(waits);
        }
        for image in images {
            // CROSS JOIN: SQLite would otherwise look at all parts of the line that went to review.
            let found: Option<String> = sqlx::query_scalar(
                "SELECT inspections.id FROM inspection_images CROSS JOIN inspections WHERE inspections.id = inspection \
                 AND hash = $1 AND line = $2 AND decision = 'review' AND calibration IS NOT NULL LIMIT 1",
            )
            .bind(image.as_str())
            .bind(line)
            .fetch_optional(&self.database.read)
            .await?;
            if found.is_some() {
                return Ok(found);
            }
        }
        Ok(None)
    }
}
