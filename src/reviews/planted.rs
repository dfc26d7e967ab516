//! Planted items: copies of inspections whose answer is known. They look like the others in the queue, and measure reviewers.

use sqlx::any::AnyRow;
use sqlx::{AnyConnection, FromRow, Row as _};

use super::error::ReviewError;
use super::events::{Event, What};
use super::{Reviews, leases, new_id, now};

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
        let _keeping = self.keeping.read().await;
        let name = format!("planted items of {line}");
        let mut change = self.database.begin_alone(&name).await?;
        let before: Option<(String, i64)> =
            sqlx::query_as("SELECT id, retired FROM planted WHERE line = $1 AND inspection = $2")
                .bind(line)
                .bind(inspection)
                .fetch_optional(&mut *change)
                .await?;
        if !matches!(before, Some((_, 0))) {
            let there = "SELECT COUNT(*) FROM planted WHERE line = $1 AND retired = 0";
            let there: i64 = sqlx::query_scalar(there)
                .bind(line)
                .fetch_one(&mut *change)
                .await?;
            if there >= MOST {
                return Err(ReviewError::TooManyPlanted(MOST));
            }
            let id = match before {
                Some((id, _)) => {
                    let back = sqlx::query("UPDATE planted SET retired = 0 WHERE id = $1");
                    back.bind(&id).execute(&mut *change).await?;
                    id
                }
                None => {
                    let id = new_id();
                    sqlx::query(
                        "INSERT INTO planted (id, created, line, inspection, verdict, answer, content, scored_by, who) \
                         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
                    )
                    .bind(&id)
                    .bind(now())
                    .bind(line)
                    .bind(inspection)
                    .bind(verdict)
                    .bind(answer(&id, &known.answer)?)
                    .bind(&known.content)
                    .bind(&known.scored_by)
                    .bind(who)
                    .execute(&mut *change)
                    .await?;
                    id
                }
            };
            copy_images(&mut change, inspection, &id).await?;
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
        leases::end(&mut change, id).await?;
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

/// Lets an item show the images of an inspection. Those that it had went when it was taken out of the queue.
async fn copy_images(
    change: &mut AnyConnection,
    inspection: &str,
    id: &str,
) -> Result<(), ReviewError> {
    let gone = sqlx::query("DELETE FROM inspection_images WHERE inspection = $1");
    gone.bind(id).execute(&mut *change).await?;
    let images = sqlx::query(
        "INSERT INTO inspection_images (inspection, place, hash, kind) \
         SELECT $2, place, hash, kind FROM inspection_images WHERE inspection = $1 AND deleted = 0",
    );
    let images = images.bind(inspection).bind(id).execute(change).await?;
    if images.rows_affected() == 0 {
        return Err(ReviewError::ImageDeleted);
    }
    Ok(())
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
