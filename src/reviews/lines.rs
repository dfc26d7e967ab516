//! Lines with all their versions.

use std::collections::HashMap;

use sqlx::any::AnyRow;
use sqlx::{FromRow, Row as _};

use super::calibrations::StoredCalibration;
use super::error::ReviewError;
use super::events::{Event, What};
use super::{Reviews, now};

/// A version of a line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredLine {
    /// Its name.
    pub name: String,
    /// From 1.
    pub version: i64,
    /// The definition, as JSON.
    pub body: String,
    /// Milliseconds since 1970.
    pub created: i64,
}

/// What tells whether a line has changed: its version, its last calibration, and the last event of its monitors.
pub type Mark = (i64, String, String, String);

impl FromRow<'_, AnyRow> for StoredLine {
    fn from_row(row: &AnyRow) -> Result<Self, sqlx::Error> {
        Ok(Self {
            name: row.try_get("name")?,
            version: row.try_get("version")?,
            body: row.try_get("body")?,
            created: row.try_get("created")?,
        })
    }
}

impl Reviews {
    /// All lines that are not deleted, each with its last version, by name.
    ///
    /// # Errors
    /// [`ReviewError`].
    pub async fn lines(&self) -> Result<Vec<StoredLine>, ReviewError> {
        let all = sqlx::query_as(
            "SELECT name, version, body, created FROM lines AS line WHERE deleted = 0 AND version = \
             (SELECT MAX(version) FROM lines AS other WHERE other.name = line.name) ORDER BY name",
        );
        self.within_request(async { Ok(all.fetch_all(&self.database.read).await?) })
            .await
    }

    /// The last version of a line that is not deleted.
    ///
    /// # Errors
    /// [`ReviewError`].
    pub async fn line(&self, name: &str) -> Result<Option<StoredLine>, ReviewError> {
        let found = sqlx::query_as(
            "SELECT name, version, body, created FROM lines WHERE name = $1 AND deleted = 0 ORDER BY version DESC LIMIT 1",
        );
        let found = found.bind(name);
        self.within_request(async { Ok(found.fetch_optional(&self.database.read).await?) })
            .await
    }

    /// What changes whenever a line does, also by another server: of one line, or of all, by name.
    ///
    /// # Errors
    /// [`ReviewError`].
    pub async fn marks(&self, only: Option<&str>) -> Result<HashMap<String, Mark>, ReviewError> {
        // A name is never empty.
        let found = sqlx::query_as(
            "SELECT name, MAX(version), \
             COALESCE((SELECT MAX(id) FROM calibrations WHERE calibrations.line = lines.name), ''), \
             COALESCE((SELECT MAX(id) FROM events WHERE events.line = lines.name AND what = $1), ''), \
             COALESCE((SELECT MAX(id) FROM events WHERE events.line = lines.name AND what = $2), '') \
             FROM lines WHERE deleted = 0 AND ($3 = '' OR name = $3) GROUP BY name",
        );
        let found = found.bind(What::Drift.name());
        let found = found.bind(What::DriftDismissed.name());
        let found = found.bind(only.unwrap_or_default());
        let found = async { Ok(found.fetch_all(&self.database.read).await?) };
        let found: Vec<(String, i64, String, String, String)> = self.within_request(found).await?;
        let mark = |(name, version, calibration, drift, dismissed)| {
            (name, (version, calibration, drift, dismissed))
        };
        Ok(found.into_iter().map(mark).collect())
    }

    /// A version of a line; of one that was deleted too.
    ///
    /// # Errors
    /// [`ReviewError`].
    pub async fn line_version(
        &self,
        name: &str,
        version: i64,
    ) -> Result<Option<StoredLine>, ReviewError> {
        let found = sqlx::query_as(
            "SELECT name, version, body, created FROM lines WHERE name = $1 AND version = $2",
        );
        let found = found.bind(name).bind(version);
        Ok(found.fetch_optional(&self.database.read).await?)
    }

    /// Adds a version to a line, the first or the next one.
    ///
    /// # Errors
    /// [`ReviewError`].
    pub async fn put_line(
        &self,
        name: &str,
        body: &str,
        who: &str,
    ) -> Result<StoredLine, ReviewError> {
        let mut change = self.database.write.begin().await?;
        let last: Option<i64> =
            sqlx::query_scalar("SELECT MAX(version) FROM lines WHERE name = $1")
                .bind(name)
                .fetch_one(&mut *change)
                .await?;
        let line = StoredLine {
            name: name.to_owned(),
            version: last.unwrap_or_default() + 1,
            body: body.to_owned(),
            created: now(),
        };
        sqlx::query(
            "INSERT INTO lines (name, version, body, created, who) VALUES ($1, $2, $3, $4, $5)",
        )
        .bind(name)
        .bind(line.version)
        .bind(body)
        .bind(line.created)
        .bind(who)
        .execute(&mut *change)
        .await?;
        let event = Event {
            who: who.to_owned(),
            what: What::LinePut,
            line: name.to_owned(),
            inspection: None,
            detail: serde_json::json!({"version": line.version}),
        };
        event.write(&mut change).await?;
        change.commit().await?;
        Ok(line)
    }

    /// Adds the version after `from` with its calibration, in one change. `None` if the line has another version meanwhile.
    ///
    /// # Errors
    /// [`ReviewError`].
    pub async fn put_calibrated(
        &self,
        from: &StoredLine,
        body: &str,
        calibration: &StoredCalibration,
        (what, detail): (What, serde_json::Value),
    ) -> Result<Option<StoredLine>, ReviewError> {
        let (name, who) = (&from.name, &calibration.who);
        let mut change = self.database.begin_alone(&format!("line {name}")).await?;
        let last: Option<i64> =
            sqlx::query_scalar("SELECT MAX(version) FROM lines WHERE name = $1 AND deleted = 0")
                .bind(name)
                .fetch_one(&mut *change)
                .await?;
        if last != Some(from.version) {
            return Ok(None);
        }
        let line = StoredLine {
            name: name.clone(),
            version: calibration.version,
            body: body.to_owned(),
            created: now(),
        };
        sqlx::query(
            "INSERT INTO lines (name, version, body, created, who) VALUES ($1, $2, $3, $4, $5)",
        )
        .bind(name)
        .bind(line.version)
        .bind(body)
        .bind(line.created)
        .bind(who)
        .execute(&mut *change)
        .await?;
        calibration.write(&mut change).await?;
        let event = Event {
            who: who.clone(),
            what,
            line: name.clone(),
            inspection: None,
            detail,
        };
        event.write(&mut change).await?;
        change.commit().await?;
        Ok(Some(line))
    }

    /// All versions of a line with who made them, the newest first, at most so many.
    ///
    /// # Errors
    /// [`ReviewError`].
    pub async fn versions(
        &self,
        name: &str,
        most: i64,
    ) -> Result<Vec<(StoredLine, String)>, ReviewError> {
        let rows = sqlx::query(
            "SELECT name, version, body, created, who FROM lines WHERE name = $1 ORDER BY version DESC LIMIT $2",
        );
        let rows = rows.bind(name).bind(most);
        let rows = rows.fetch_all(&self.database.read).await?;
        let read = |row: &AnyRow| Ok((StoredLine::from_row(row)?, row.try_get("who")?));
        let read: Result<_, sqlx::Error> = rows.iter().map(read).collect();
        Ok(read?)
    }

    /// Deletes a line. Its versions and all that it decided stay. False if there is none.
    ///
    /// # Errors
    /// [`ReviewError`].
    pub async fn delete_line(&self, name: &str, who: &str) -> Result<bool, ReviewError> {
        let mut change = self.database.write.begin().await?;
        let done = sqlx::query("UPDATE lines SET deleted = $2 WHERE name = $1 AND deleted = 0")
            .bind(name)
            .bind(now())
            .execute(&mut *change)
            .await?;
        if done.rows_affected() == 0 {
            return Ok(false);
        }
        let event = Event {
            who: who.to_owned(),
            what: What::LineDeleted,
            line: name.to_owned(),
            inspection: None,
            detail: serde_json::json!({}),
        };
        event.write(&mut change).await?;
        change.commit().await?;
        Ok(true)
    }
}
