//! Calibrations: reports for people, and what the line decides with. Rows are only added; the last one of a version counts.

use sqlx::any::AnyRow;
use sqlx::{AnyConnection, FromRow, Row as _};

use super::Reviews;
use super::error::ReviewError;
use super::events::{Event, What};

/// A calibration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredCalibration {
    /// Its id.
    pub id: String,
    /// Milliseconds since 1970.
    pub created: i64,
    /// The line.
    pub line: String,
    /// The line's version.
    pub version: i64,
    /// What scores depend on: model and reference.
    pub scored_by: String,
    /// Who calibrated.
    pub who: String,
    /// The report, as JSON.
    pub report: String,
    /// What the line decides with, as JSON.
    pub in_force: String,
}

impl FromRow<'_, AnyRow> for StoredCalibration {
    fn from_row(row: &AnyRow) -> Result<Self, sqlx::Error> {
        Ok(Self {
            id: row.try_get("id")?,
            created: row.try_get("created")?,
            line: row.try_get("line")?,
            version: row.try_get("version")?,
            scored_by: row.try_get("scored_by")?,
            who: row.try_get("who")?,
            report: row.try_get("report")?,
            in_force: row.try_get("in_force")?,
        })
    }
}

impl StoredCalibration {
    /// Writes it and its event, as a part of a change.
    pub(super) async fn write(&self, to: &mut AnyConnection) -> Result<(), ReviewError> {
        let sql =
            format!("INSERT INTO calibrations ({COLUMNS}) VALUES ($1, $2, $3, $4, $5, $6, $7, $8)");
        sqlx::query(&sql)
            .bind(&self.id)
            .bind(self.created)
            .bind(&self.line)
            .bind(self.version)
            .bind(&self.scored_by)
            .bind(&self.who)
            .bind(&self.report)
            .bind(&self.in_force)
            .execute(&mut *to)
            .await?;
        let event = Event {
            who: self.who.clone(),
            what: What::Calibrated,
            line: self.line.clone(),
            inspection: None,
            detail: serde_json::json!({"calibration": self.id}),
        };
        event.write(to).await
    }
}

const COLUMNS: &str = "id, created, line, version, scored_by, who, report, in_force";

impl Reviews {
    /// Adds a calibration.
    ///
    /// # Errors
    /// [`ReviewError`].
    pub async fn add_calibration(&self, new: &StoredCalibration) -> Result<(), ReviewError> {
        let mut change = self.database.write.begin().await?;
        new.write(&mut change).await?;
        change.commit().await?;
        Ok(())
    }

    /// The last calibration of a version of a line.
    ///
    /// # Errors
    /// [`ReviewError`].
    pub async fn calibration(
        &self,
        line: &str,
        version: i64,
    ) -> Result<Option<StoredCalibration>, ReviewError> {
        let sql = format!(
            "SELECT {COLUMNS} FROM calibrations WHERE line = $1 AND version = $2 ORDER BY id DESC LIMIT 1"
        );
        let found = sqlx::query_as(&sql).bind(line).bind(version);
        Ok(found.fetch_optional(&self.database.read).await?)
    }

    /// The reports of a line's last calibrations, the newest first.
    ///
    /// # Errors
    /// [`ReviewError`].
    pub async fn reports(&self, line: &str, most: i64) -> Result<Vec<String>, ReviewError> {
        let all = sqlx::query_scalar(
            "SELECT report FROM calibrations WHERE line = $1 ORDER BY id DESC LIMIT $2",
        );
        let all = all.bind(line).bind(most);
        Ok(all.fetch_all(&self.database.read).await?)
    }
}
