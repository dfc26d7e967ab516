//! Labelled parts with their scores: what a line is calibrated with.

use bytes::Bytes;
use sqlx::any::AnyRow;
use sqlx::{AnyConnection, FromRow, Row as _};

use super::error::ReviewError;
use super::events::{Event, What};
use super::image_hash::ImageHash;
use super::new_inspection::NewImage;
use super::{Reviews, new_id, now};

/// Parts of line $1 that $2 has not scored.
const UNSCORED: &str = "NOT EXISTS (SELECT 1 FROM parts AS scored WHERE scored.line = $1 AND scored.scored_by = $2 \
                        AND scored.content = parts.content)";

/// A part of each content of line $1 whose images are stored.
const WITH_IMAGES: &str = "SELECT MIN(kept.id) FROM parts AS kept JOIN inspection_images ON inspection = kept.id \
                           WHERE kept.line = $1 AND deleted = 0 GROUP BY kept.content";

/// A part to store.
#[derive(Debug, Clone)]
pub struct NewPart {
    /// Its lot.
    pub lot: String,
    /// `ok` or `ng`.
    pub class: &'static str,
    /// How much it is changed.
    pub score: f64,
    /// How much it moved towards a statement.
    pub statements: f64,
    /// Figures of its pictures, as JSON.
    pub camera: String,
    /// SHA-256 of the hashes of its images.
    pub content: String,
    /// Its images; none if they are stored already.
    pub images: Vec<NewImage>,
}

/// A part that another model can score: as it was declared, with its images.
#[derive(Debug, Clone)]
pub struct PartToScore {
    /// Its lot.
    pub lot: String,
    /// `ok` or `ng`.
    pub class: String,
    /// SHA-256 of the hashes of its images.
    pub content: String,
    /// Which parts were declared fit for calibration, in words.
    pub declared: String,
    /// Who declared it.
    pub who: String,
    /// Its images, in order.
    pub images: Vec<Bytes>,
}

/// How many parts something else has scored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Unscored {
    /// Those whose images are stored.
    pub with_images: u64,
    /// Those that must be sent again.
    pub without_images: u64,
}

/// A stored part.
#[derive(Debug, Clone, PartialEq)]
pub struct LabelledPart {
    /// Its lot.
    pub lot: String,
    /// `ok` or `ng`.
    pub class: String,
    /// How much it is changed.
    pub score: f64,
    /// How much it moved towards a statement; 0 if it was not noted.
    pub statements: f64,
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
            statements: row.try_get("statements")?,
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
        // Until the rows are there, retention deletes none of these images.
        let _keeping = self.keeping.read().await;
        for part in parts {
            self.put_images(&part.images).await?;
        }
        let mut change = self.database.write.begin().await?;
        let mut added = 0;
        for part in parts {
            added += insert(&mut change, (line, scored_by), part, (who, declared)).await?;
            self.keep_images(line, scored_by, part, &mut change).await?;
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

    /// Adds the score of a part that is known, without an event. Returns 1 if it is new.
    ///
    /// # Errors
    /// [`ReviewError`].
    pub async fn add_scores(
        &self,
        line: &str,
        scored_by: &str,
        part: &NewPart,
        (who, declared): (&str, &str),
    ) -> Result<u64, ReviewError> {
        let mut connection = self.database.write.acquire().await?;
        insert(&mut connection, (line, scored_by), part, (who, declared)).await
    }

    /// Notes that a model has scored parts.
    ///
    /// # Errors
    /// [`ReviewError`].
    pub async fn note_scored(
        &self,
        line: &str,
        who: &str,
        model: &str,
        parts: u64,
    ) -> Result<(), ReviewError> {
        let event = Event {
            who: who.to_owned(),
            what: What::PartsScored,
            line: line.to_owned(),
            inspection: None,
            detail: serde_json::json!({"parts": parts, "model": model}),
        };
        self.note(&event).await
    }

    /// Keeps the images of a part, unless those of a part with this content are kept.
    async fn keep_images(
        &self,
        line: &str,
        scored_by: &str,
        part: &NewPart,
        change: &mut AnyConnection,
    ) -> Result<(), ReviewError> {
        if part.images.is_empty() {
            return Ok(());
        }
        let kept: Option<i64> = sqlx::query_scalar(
            "SELECT place FROM parts JOIN inspection_images ON inspection = parts.id \
             WHERE line = $1 AND parts.content = $2 AND deleted = 0 LIMIT 1",
        )
        .bind(line)
        .bind(&part.content)
        .fetch_optional(&mut *change)
        .await?;
        if kept.is_some() {
            return Ok(());
        }
        let id: String = sqlx::query_scalar(
            "SELECT id FROM parts WHERE line = $1 AND scored_by = $2 AND content = $3",
        )
        .bind(line)
        .bind(scored_by)
        .bind(&part.content)
        .fetch_one(&mut *change)
        .await?;
        self.insert_images(&id, &part.images, change).await?;
        self.put_again(&part.images, change).await
    }

    /// Parts of a line that something else has scored, and whose images are stored, at most so many.
    ///
    /// # Errors
    /// [`ReviewError`].
    pub async fn parts_to_score(
        &self,
        line: &str,
        scored_by: &str,
        most: usize,
    ) -> Result<Vec<PartToScore>, ReviewError> {
        let sql = format!(
            "SELECT parts.id, lot, class, content, declared, who FROM parts WHERE id IN ({WITH_IMAGES}) AND {UNSCORED} \
             ORDER BY id LIMIT $3"
        );
        let most = i64::try_from(most).unwrap_or(i64::MAX);
        let rows: Vec<(String, String, String, String, String, String)> = sqlx::query_as(&sql)
            .bind(line)
            .bind(scored_by)
            .bind(most)
            .fetch_all(&self.database.read)
            .await?;
        let mut parts = Vec::with_capacity(rows.len());
        for (id, lot, class, content, declared, who) in rows {
            let hashes: Vec<String> = sqlx::query_scalar(
                "SELECT hash FROM inspection_images WHERE inspection = $1 AND deleted = 0 ORDER BY place",
            )
            .bind(&id)
            .fetch_all(&self.database.read)
            .await?;
            let mut images = Vec::with_capacity(hashes.len());
            for hash in hashes {
                let image = self.images.get(&ImageHash::stored(hash)).await?;
                images.push(image.ok_or(ReviewError::ImageDeleted)?);
            }
            parts.push(PartToScore {
                lot,
                class,
                content,
                declared,
                who,
                images,
            });
        }
        Ok(parts)
    }

    /// How many parts of a line something else has scored.
    ///
    /// # Errors
    /// [`ReviewError`].
    pub async fn unscored(&self, line: &str, scored_by: &str) -> Result<Unscored, ReviewError> {
        let all = self.count_unscored(line, scored_by, "").await?;
        let only = format!(" AND id IN ({WITH_IMAGES})");
        let with_images = self.count_unscored(line, scored_by, &only).await?;
        Ok(Unscored {
            with_images,
            without_images: all.saturating_sub(with_images),
        })
    }

    async fn count_unscored(
        &self,
        line: &str,
        scored_by: &str,
        only: &str,
    ) -> Result<u64, ReviewError> {
        let sql = format!(
            "SELECT COUNT(DISTINCT content) FROM parts WHERE line = $1 AND {UNSCORED}{only}"
        );
        let count: i64 = sqlx::query_scalar(&sql)
            .bind(line)
            .bind(scored_by)
            .fetch_one(&self.database.read)
            .await?;
        Ok(u64::try_from(count).unwrap_or_default())
    }

    /// Whether a labelled part of a line has this content ([`ImageHash::of_all`] of its images).
    ///
    /// # Errors
    /// [`ReviewError`].
    pub async fn is_labelled(&self, line: &str, content: &str) -> Result<bool, ReviewError> {
        let found: Option<i64> = sqlx::query_scalar(
            "SELECT CAST(1 AS BIGINT) FROM parts WHERE line = $1 AND content = $2 LIMIT 1",
        )
        .bind(line)
        .bind(content)
        .fetch_optional(&self.database.read)
        .await?;
        Ok(found.is_some())
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
            "SELECT lot, class, score, statements, camera, content, declared, who FROM parts WHERE line = $1 AND scored_by = $2 ORDER BY id",
        );
        let all = all.bind(line).bind(scored_by);
        Ok(all.fetch_all(&self.database.read).await?)
    }

    /// Number of OK and of NG parts of a line with these scores, and of parts that only something else has scored.
    ///
    /// # Errors
    /// [`ReviewError`].
    pub async fn count_parts(
        &self,
        line: &str,
        scored_by: &str,
    ) -> Result<(u64, u64, u64), ReviewError> {
        let rows: Vec<(String, i64)> = sqlx::query_as(
            "SELECT class, COUNT(*) FROM parts WHERE line = $1 AND scored_by = $2 GROUP BY class",
        )
        .bind(line)
        .bind(scored_by)
        .fetch_all(&self.database.read)
        .await?;
        let (mut ok, mut ng) = (0, 0);
        for (class, count) in rows {
            let count = u64::try_from(count).unwrap_or_default();
            match class.as_str() {
                "ok" => ok += count,
                _ => ng += count,
            }
        }
        Ok((ok, ng, self.count_unscored(line, scored_by, "").await?))
    }
}

/// Adds the row of a part; 0 if it is there.
async fn insert(
    to: &mut AnyConnection,
    (line, scored_by): (&str, &str),
    part: &NewPart,
    (who, declared): (&str, &str),
) -> Result<u64, ReviewError> {
    let done = sqlx::query(
        "INSERT INTO parts (id, created, line, scored_by, lot, class, score, camera, content, declared, who, statements) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12) ON CONFLICT (line, scored_by, content) DO NOTHING",
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
    .bind(part.statements)
    .execute(to)
    .await?;
    Ok(done.rows_affected())
}
