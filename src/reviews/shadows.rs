//! Shadows: models that decide beside the one that a line has, and what they decided.

use sqlx::any::AnyRow;
use sqlx::{AnyConnection, FromRow, Row as _};

use super::error::ReviewError;
use super::events::{Event, What};
use super::{Reviews, now};

/// A shadow.
#[derive(Debug, Clone, PartialEq)]
pub struct StoredShadow {
    /// Its id.
    pub id: String,
    /// Milliseconds since 1970.
    pub created: i64,
    /// The line.
    pub line: String,
    /// The version of the line that it stands beside.
    pub version: i64,
    /// Its model.
    pub model: String,
    /// Share of the inspections that it decides, too.
    pub share: f64,
    /// Who started it.
    pub who: String,
    /// What its scores depend on.
    pub scored_by: String,
    /// The report of its calibration, as JSON.
    pub report: String,
    /// What it decides with, as JSON.
    pub in_force: String,
}

impl FromRow<'_, AnyRow> for StoredShadow {
    fn from_row(row: &AnyRow) -> Result<Self, sqlx::Error> {
        Ok(Self {
            id: row.try_get("id")?,
            created: row.try_get("created")?,
            line: row.try_get("line")?,
            version: row.try_get("version")?,
            model: row.try_get("model")?,
            share: row.try_get("share")?,
            who: row.try_get("who")?,
            scored_by: row.try_get("scored_by")?,
            report: row.try_get("report")?,
            in_force: row.try_get("in_force")?,
        })
    }
}

const COLUMNS: &str = "id, created, line, version, model, share, who, scored_by, report, in_force";

/// Inspections that a shadow has decided: the line's decision, the shadow's, the verdict, and how many.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ShadowCount {
    /// `ok`, `ng` or `review`.
    pub line: String,
    /// `ok`, `ng` or `review`.
    pub shadow: String,
    /// `ok`, `ng`, `unsure` or `none`.
    pub verdict: String,
    /// Number of them.
    pub inspections: i64,
}

impl Reviews {
    /// Starts a shadow; one that the line has ends.
    ///
    /// # Errors
    /// [`ReviewError`].
    pub async fn start_shadow(&self, new: &StoredShadow) -> Result<(), ReviewError> {
        let mut change = self
            .database
            .begin_alone(&format!("shadow of {}", new.line))
            .await?;
        end(&mut change, &new.line).await?;
        let sql = format!(
            "INSERT INTO shadows ({COLUMNS}) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)"
        );
        sqlx::query(&sql)
            .bind(&new.id)
            .bind(new.created)
            .bind(&new.line)
            .bind(new.version)
            .bind(&new.model)
            .bind(new.share)
            .bind(&new.who)
            .bind(&new.scored_by)
            .bind(&new.report)
            .bind(&new.in_force)
            .execute(&mut *change)
            .await?;
        let event = Event {
            who: new.who.clone(),
            what: What::ShadowStarted,
            line: new.line.clone(),
            inspection: None,
            detail: serde_json::json!({"shadow": new.id, "model": new.model, "share": new.share}),
        };
        event.write(&mut change).await?;
        change.commit().await?;
        Ok(())
    }

    /// Ends the shadow of a line. False if there is none.
    ///
    /// # Errors
    /// [`ReviewError`].
    pub async fn end_shadow(&self, line: &str, who: &str) -> Result<bool, ReviewError> {
        let mut change = self
            .database
            .begin_alone(&format!("shadow of {line}"))
            .await?;
        if end(&mut change, line).await? == 0 {
            return Ok(false);
        }
        let event = Event {
            who: who.to_owned(),
            what: What::ShadowEnded,
            line: line.to_owned(),
            inspection: None,
            detail: serde_json::json!({}),
        };
        event.write(&mut change).await?;
        change.commit().await?;
        Ok(true)
    }

    /// All shadows that run.
    ///
    /// # Errors
    /// [`ReviewError`].
    pub async fn shadows(&self) -> Result<Vec<StoredShadow>, ReviewError> {
        let sql = format!("SELECT {COLUMNS} FROM shadows WHERE ended = 0 ORDER BY id");
        Ok(sqlx::query_as(&sql).fetch_all(&self.database.read).await?)
    }

    /// The shadow that a line has, or the last one that it had.
    ///
    /// # Errors
    /// [`ReviewError`].
    pub async fn last_shadow(
        &self,
        line: &str,
    ) -> Result<Option<(StoredShadow, bool)>, ReviewError> {
        let sql = format!(
            "SELECT {COLUMNS}, ended FROM shadows WHERE line = $1 ORDER BY id DESC LIMIT 1"
        );
        let row = sqlx::query(&sql).bind(line);
        let Some(row) = row.fetch_optional(&self.database.read).await? else {
            return Ok(None);
        };
        let runs = row.try_get::<i64, _>("ended")? == 0;
        Ok(Some((StoredShadow::from_row(&row)?, runs)))
    }

    /// Adds what a shadow decided about an inspection.
    ///
    /// # Errors
    /// [`ReviewError`].
    pub async fn add_shadow_decision(
        &self,
        shadow: &str,
        inspection: &str,
        (decision, score): (&str, Option<f64>),
        differs: bool,
    ) -> Result<(), ReviewError> {
        sqlx::query(
            "INSERT INTO shadow_decisions (shadow, inspection, decision, score, differs) VALUES ($1, $2, $3, $4, $5) \
             ON CONFLICT (shadow, inspection) DO NOTHING",
        )
        .bind(shadow)
        .bind(inspection)
        .bind(decision)
        .bind(score)
        .bind(i64::from(differs))
        .execute(&self.database.write)
        .await?;
        Ok(())
    }

    /// How a shadow and the line have decided, with what people said.
    ///
    /// # Errors
    /// [`ReviewError`].
    pub async fn shadow_counts(&self, shadow: &str) -> Result<Vec<ShadowCount>, ReviewError> {
        let rows: Vec<(String, String, String, i64)> = sqlx::query_as(
            "SELECT inspections.decision, shadow_decisions.decision, verdict, COUNT(*) FROM shadow_decisions \
             JOIN inspections ON inspections.id = inspection WHERE shadow = $1 \
             GROUP BY inspections.decision, shadow_decisions.decision, verdict",
        )
        .bind(shadow)
        .fetch_all(&self.database.read)
        .await?;
        let count = |(line, shadow, verdict, inspections)| ShadowCount {
            line,
            shadow,
            verdict,
            inspections,
        };
        Ok(rows.into_iter().map(count).collect())
    }

    /// Whether the shadow that a line has decided an inspection otherwise than the line.
    ///
    /// # Errors
    /// [`ReviewError`].
    pub async fn is_disputed(&self, inspection: &str) -> Result<bool, ReviewError> {
        let found: Option<i64> = sqlx::query_scalar(
            "SELECT differs FROM shadow_decisions JOIN shadows ON shadows.id = shadow \
             WHERE ended = 0 AND inspection = $1 AND differs = 1 LIMIT 1",
        )
        .bind(inspection)
        .fetch_optional(&self.database.read)
        .await?;
        Ok(found.is_some())
    }
}

async fn end(change: &mut AnyConnection, line: &str) -> Result<u64, ReviewError> {
    let done = sqlx::query("UPDATE shadows SET ended = $2 WHERE line = $1 AND ended = 0")
        .bind(line)
        .bind(now())
        .execute(change)
        .await?;
    Ok(done.rows_affected())
}

/// Inspections without a verdict that the shadow of a line decides otherwise, and that nobody holds: the oldest ones.
pub(super) async fn disputed(
    change: &mut AnyConnection,
    line: &str,
    lot: Option<&str>,
    most: i64,
) -> Result<Vec<String>, ReviewError> {
    let mut sql = "SELECT inspections.id FROM shadows JOIN shadow_decisions ON shadow = shadows.id \
                   JOIN inspections ON inspections.id = inspection WHERE shadows.line = $1 AND ended = 0 AND differs = 1 \
                   AND verdict = 'none' AND NOT EXISTS (SELECT 1 FROM claims WHERE item = inspections.id)"
        .to_owned();
    if lot.is_some() {
        sql.push_str(" AND lot = $3");
    }
    sql.push_str(" ORDER BY inspections.id LIMIT $2");
    let mut query = sqlx::query_scalar(&sql).bind(line).bind(most);
    if let Some(lot) = lot {
        query = query.bind(lot);
    }
    Ok(query.fetch_all(change).await?)
}
