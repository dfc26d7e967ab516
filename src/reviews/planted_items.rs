//! Rows of planted items: which a reviewer gets, and what the reviewer says of them.

use sqlx::{AnyConnection, Row as _};

use super::error::ReviewError;
use super::inspections::Inspection;
use super::leases;
use super::verdict::{Said, Verdict};

/// Whether an id is that of a planted item of a line.
pub async fn is_of(change: &mut AnyConnection, id: &str, line: &str) -> Result<bool, ReviewError> {
    let row = sqlx::query("SELECT 1 FROM planted WHERE id = $1 AND line = $2");
    let row = row.bind(id).bind(line).fetch_optional(change).await?;
    Ok(row.is_some())
}

/// A planted item that a reviewer has not answered and nobody holds.
pub async fn unanswered(
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
pub async fn one(
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
pub async fn judge(
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
    leases::end(change, id).await?;
    Ok(Some(()))
}

/// Forgets what a reviewer said of a planted item. `None` if the id is none.
pub async fn undo(
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
