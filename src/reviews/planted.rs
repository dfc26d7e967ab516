//! Planted items: copies of inspections whose answer is known. They look like the others in the queue, and measure reviewers.

use sqlx::any::AnyRow;
use sqlx::{AnyConnection, FromRow, Row as _};

use super::error::ReviewError;
use super::events::{Event, What};
use super::inspections::Inspection;
use super::verdicts::{Said, Verdict};
use super::{Reviews, claims, new_id, now};

/// Planted items of a line, at most.
const MOST: i64 = 1000;

/// A planted item with the answers of all reviewers.
#[derive(Debug, Clone, PartialEq)]
pub struct Planted {
    /// Its id, which looks like that of an inspection.
    pub id: String,
    /// Milliseconds since 1970.
    pub created: i64,
    /// The inspection that it is a copy of.
    pub inspection: String,
    /// `ok` or `ng`.
    pub verdict: String,
    /// Who planted it.
    pub who: String,
    /// Whether it is still given to reviewers.
    pub in_queue: bool,
    /// Number of reviewers who have answered.
    pub answers: i64,
    /// Number of those who were right.
    pub right: i64,
}

impl FromRow<'_, AnyRow> for Planted {
    fn from_row(row: &AnyRow) -> Result<Self, sqlx::Error> {
        Ok(Self {
            id: row.try_get("id")?,
            created: row.try_get("created")?,
            inspection: row.try_get("inspection")?,
            verdict: row.try_get("verdict")?,
            who: row.try_get("who")?,
            in_queue: row.try_get::<i64, _>("retired")? == 0,
            answers: row.try_get("answers")?,
            right: row.try_get("correct")?,
        })
    }
}

/// What a reviewer said of a planted item.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlantedAnswer {
    /// The item.
    pub item: String,
    /// The reviewer.
    pub who: String,
    /// What was said.
    pub verdict: String,
    /// What should be said.
    pub expected: String,
}

impl FromRow<'_, AnyRow> for PlantedAnswer {
    fn from_row(row: &AnyRow) -> Result<Self, sqlx::Error> {
        Ok(Self {
            item: row.try_get("item")?,
            who: row.try_get("who")?,
            verdict: row.try_get("verdict")?,
            expected: row.try_get("expected")?,
        })
    }
}

impl Reviews {
    /// Plants a copy of an inspection with its verdict as the known answer. `answer` makes the copy's answer of its id and
    /// the inspection's. The same inspection again changes nothing.
    ///
    /// # Errors
    /// [`ReviewError::NoInspection`]; [`ReviewError::NoVerdict`] if its verdict is not `ok` or `ng`;
    /// [`ReviewError::ImageDeleted`]; [`ReviewError::TooManyPlanted`]; and others.
    pub async fn plant(
        &self,
        line: &str,
        inspection: &str,
        who: &str,
        answer: impl FnOnce(&str, &str) -> Result<String, ReviewError>,
    ) -> Result<Planted, ReviewError> {
        let known = self.inspection(inspection).await?;
        if known.line != line {
            return Err(ReviewError::NoInspection);
        }
        let verdict = known.verdict.as_deref();
        let verdict = verdict.filter(|verdict| ["ok", "ng"].contains(verdict));
        let verdict = verdict.ok_or(ReviewError::NoVerdict)?;
        let id = new_id();
        let answer = answer(&id, &known.answer)?;
        let _keeping = self.keeping.read().await;
        let mut change = self.database.write.begin().await?;
        let there = "SELECT COUNT(*) FROM planted WHERE line = $1 AND retired = 0";
        let there: i64 = sqlx::query_scalar(there)
            .bind(line)
            .fetch_one(&mut *change)
            .await?;
        if there >= MOST {
            return Err(ReviewError::TooManyPlanted(MOST));
        }
        let images = sqlx::query(
            "INSERT INTO inspection_images (inspection, place, hash, kind) \
             SELECT $2, place, hash, kind FROM inspection_images WHERE inspection = $1 AND deleted = 0",
        )
        .bind(inspection)
        .bind(&id)
        .execute(&mut *change)
        .await?;
        if images.rows_affected() == 0 {
            return Err(ReviewError::ImageDeleted);
        }
        let done = sqlx::query(
            "INSERT INTO planted (id, created, line, inspection, verdict, answer, content, scored_by, who) \
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9) ON CONFLICT (line, inspection) DO NOTHING",
        )
        .bind(&id)
        .bind(now())
        .bind(line)
        .bind(inspection)
        .bind(verdict)
        .bind(&answer)
        .bind(&known.content)
        .bind(&known.scored_by)
        .bind(who)
        .execute(&mut *change)
        .await?;
        if done.rows_affected() == 0 {
            drop(change);
            // It was taken out of the queue, or it is in it.
            let again = "UPDATE planted SET retired = 0 WHERE line = $1 AND inspection = $2";
            let again = sqlx::query(again).bind(line).bind(inspection);
            again.execute(&self.database.write).await?;
        } else {
            let event = event(What::Planted, line, inspection, who);
            event.write(&mut change).await?;
            change.commit().await?;
        }
        let all = self.planted(line).await?;
        let mut all = all.into_iter();
        let planted = all.find(|planted| planted.inspection == inspection);
        planted.ok_or(ReviewError::NoInspection)
    }

    /// Takes an item out of the queue. What reviewers said of it stays. False if there is none.
    ///
    /// # Errors
    /// [`ReviewError`].
    pub async fn unplant(&self, line: &str, id: &str, who: &str) -> Result<bool, ReviewError> {
        let mut change = self.database.write.begin().await?;
        let inspection: Option<String> = sqlx::query_scalar(
            "UPDATE planted SET retired = $3 WHERE id = $1 AND line = $2 AND retired = 0 RETURNING inspection",
        )
        .bind(id)
        .bind(line)
        .bind(now())
        .fetch_optional(&mut *change)
        .await?;
        let Some(inspection) = inspection else {
            return Ok(false);
        };
        claims::end(&mut change, id).await?;
        let event = event(What::Unplanted, line, &inspection, who);
        event.write(&mut change).await?;
        change.commit().await?;
        Ok(true)
    }

    /// All planted items of a line, the oldest first.
    ///
    /// # Errors
    /// [`ReviewError`].
    pub async fn planted(&self, line: &str) -> Result<Vec<Planted>, ReviewError> {
        let all = sqlx::query_as(
            "SELECT id, created, inspection, verdict, who, retired, \
             (SELECT COUNT(*) FROM planted_answers WHERE item = planted.id) AS answers, \
             (SELECT COUNT(*) FROM planted_answers WHERE item = planted.id \
              AND planted_answers.verdict = planted.verdict) AS correct \
             FROM planted WHERE line = $1 ORDER BY id",
        );
        Ok(all.bind(line).fetch_all(&self.database.read).await?)
    }

    /// What all reviewers said of a line's planted items.
    ///
    /// # Errors
    /// [`ReviewError`].
    pub async fn planted_answers(&self, line: &str) -> Result<Vec<PlantedAnswer>, ReviewError> {
        let all = sqlx::query_as(
            "SELECT item, planted_answers.who AS who, planted_answers.verdict AS verdict, planted.verdict AS expected \
             FROM planted JOIN planted_answers ON item = planted.id WHERE line = $1 ORDER BY planted_answers.id",
        );
        Ok(all.bind(line).fetch_all(&self.database.read).await?)
    }
}

fn event(what: What, line: &str, inspection: &str, who: &str) -> Event {
    Event {
        who: who.to_owned(),
        what,
        line: line.to_owned(),
        inspection: Some(inspection.to_owned()),
        detail: serde_json::json!({}),
    }
}

/// Whether an id is that of a planted item of a line.
pub(super) async fn is_of(
    change: &mut AnyConnection,
    id: &str,
    line: &str,
) -> Result<bool, ReviewError> {
    let row = sqlx::query("SELECT 1 FROM planted WHERE id = $1 AND line = $2");
    let row = row.bind(id).bind(line).fetch_optional(change).await?;
    Ok(row.is_some())
}

/// A planted item that a reviewer has not answered and nobody holds.
pub(super) async fn unanswered(
    change: &mut AnyConnection,
    line: &str,
    who: &str,
) -> Result<Option<String>, ReviewError> {
    let all: Vec<String> = sqlx::query_scalar(
        "SELECT id FROM planted WHERE line = $1 AND retired = 0 \
         AND NOT EXISTS (SELECT 1 FROM planted_answers WHERE item = planted.id AND who = $2) \
         AND NOT EXISTS (SELECT 1 FROM claims WHERE item = planted.id)",
    )
    .bind(line)
    .bind(who)
    .fetch_all(change)
    .await?;
    Ok(fastrand::choice(all))
}

/// A planted item as an inspection. Its verdict is that of a reviewer.
pub(super) async fn one(
    from: &mut AnyConnection,
    id: &str,
    who: Option<&str>,
) -> Result<Option<Inspection>, ReviewError> {
    let row = sqlx::query(
        "SELECT id, created, line, scored_by, answer, content, (SELECT verdict FROM planted_answers \
         WHERE item = planted.id AND who = $2) AS said FROM planted WHERE id = $1",
    );
    let row = row.bind(id).bind(who.unwrap_or_default());
    let Some(row) = row.fetch_optional(from).await? else {
        return Ok(None);
    };
    Ok(Some(Inspection {
        id: row.try_get("id")?,
        created: row.try_get("created")?,
        line: row.try_get("line")?,
        decision: "review".to_owned(),
        scored_by: row.try_get("scored_by")?,
        score: None,
        lot: None,
        audit: false,
        verdict: row.try_get("said")?,
        answer: row.try_get("answer")?,
        content: row.try_get("content")?,
    }))
}

/// Notes what a reviewer says of a planted item. `None` if the id is none.
pub(super) async fn judge(
    change: &mut AnyConnection,
    id: &str,
    said: Said,
    verdict: &Verdict,
) -> Result<Option<()>, ReviewError> {
    let row = sqlx::query("SELECT 1 FROM planted WHERE id = $1").bind(id);
    if row.fetch_optional(&mut *change).await?.is_none() {
        return Ok(None);
    }
    let done = sqlx::query(
        "INSERT INTO planted_answers (item, who, id, created, verdict) VALUES ($1, $2, $3, $4, $5) \
         ON CONFLICT (item, who) DO NOTHING",
    )
    .bind(id)
    .bind(&verdict.who)
    .bind(&verdict.id)
    .bind(verdict.created)
    .bind(said.name())
    .execute(&mut *change)
    .await?;
    if done.rows_affected() == 0 {
        let before = "SELECT verdict FROM planted_answers WHERE item = $1 AND who = $2";
        let before: String = sqlx::query_scalar(before)
            .bind(id)
            .bind(&verdict.who)
            .fetch_one(&mut *change)
            .await?;
        // A request that was sent again.
        if before != said.name() {
            return Err(ReviewError::VerdictExists(before));
        }
    }
    claims::end(change, id).await?;
    Ok(Some(()))
}

/// Forgets what a reviewer said of a planted item. `None` if the id is none.
pub(super) async fn undo(
    change: &mut AnyConnection,
    id: &str,
    who: &str,
) -> Result<Option<()>, ReviewError> {
    let row = sqlx::query("SELECT 1 FROM planted WHERE id = $1").bind(id);
    if row.fetch_optional(&mut *change).await?.is_none() {
        return Ok(None);
    }
    let done = sqlx::query("DELETE FROM planted_answers WHERE item = $1 AND who = $2")
        .bind(id)
        .bind(who)
        .execute(change)
        .await?;
    if done.rows_affected() == 0 {
        return Err(ReviewError::NoVerdict);
    }
    Ok(Some(()))
}
