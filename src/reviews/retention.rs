//! Deletes images, and never rows.

use super::Reviews;
use super::error::ReviewError;
use super::events::{Event, What};
use super::image_hash::ImageHash;
use super::now;

/// An image: its inspection, its place there, and its hash.
type Row = (String, i64, String);

/// What was deleted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Deleted {
    /// Number of inspections' images.
    pub images: usize,
}

/// Images that are deleted at a time, so that inspections wait for no more than these.
const AT_A_TIME: i64 = 100;

impl Reviews {
    /// Deletes the images of a line's inspections before a time, in milliseconds since 1970. A file stays as long as a later
    /// inspection shows the same image.
    ///
    /// # Errors
    /// [`ReviewError`]; what was deleted before stays deleted.
    pub async fn delete_images_before(
        &self,
        line: &str,
        before: i64,
    ) -> Result<Deleted, ReviewError> {
        let mut deleted = Deleted::default();
        let mut from = String::new();
        loop {
            // CROSS JOIN: SQLite would otherwise begin with all inspections of the line, each time.
            let rows: Vec<Row> = sqlx::query_as(
                "SELECT inspection, place, hash FROM inspection_images CROSS JOIN inspections \
                 WHERE inspections.id = inspection AND inspection_images.deleted = 0 AND inspection >= $4 \
                 AND line = $1 AND created < $2 ORDER BY inspection LIMIT $3",
            )
            .bind(line)
            .bind(before)
            .bind(AT_A_TIME)
            .bind(&from)
            .fetch_all(&self.database.read)
            .await?;
            let Some(last) = rows.last() else {
                return Ok(deleted);
            };
            from.clone_from(&last.0);
            deleted.images += rows.len();
            self.delete_images(line, &rows, "server", "retention")
                .await?;
        }
    }

    /// Deletes the images of one inspection. Returns how many there were.
    ///
    /// # Errors
    /// [`ReviewError::NoInspection`], and others.
    pub async fn delete_images_of(
        &self,
        inspection: &str,
        who: &str,
    ) -> Result<Deleted, ReviewError> {
        let line = self.inspection(inspection).await?.line;
        let rows: Vec<Row> = sqlx::query_as(
            "SELECT inspection, place, hash FROM inspection_images WHERE inspection = $1 AND deleted <= 0",
        )
        .bind(inspection)
        .fetch_all(&self.database.read)
        .await?;
        if !rows.is_empty() {
            self.delete_images(&line, &rows, who, "asked for").await?;
        }
        Ok(Deleted { images: rows.len() })
    }

    /// Ends deletions that a kill has interrupted: files go whose rows say that they are gone.
    ///
    /// # Errors
    /// [`ReviewError`]; what was deleted before stays deleted.
    pub async fn finish_deletions(&self) -> Result<(), ReviewError> {
        loop {
            let rows: Vec<Row> = sqlx::query_as(
                "SELECT inspection, place, hash FROM inspection_images WHERE deleted < 0 LIMIT $1",
            )
            .bind(AT_A_TIME)
            .fetch_all(&self.database.read)
            .await?;
            if rows.is_empty() {
                return Ok(());
            }
            self.delete_files(&rows).await?;
        }
    }

    /// First the rows say that the images are gone, then the files go, and then the rows say when. A kill in between leaves
    /// rows for [`Self::finish_deletions`], and no row that promises what is not there.
    async fn delete_images(
        &self,
        line: &str,
        rows: &[Row],
        who: &str,
        why: &str,
    ) -> Result<(), ReviewError> {
        let mut change = self.database.write.begin().await?;
        for (inspection, place, _) in rows {
            sqlx::query(
                "UPDATE inspection_images SET deleted = $3 WHERE inspection = $1 AND place = $2",
            )
            .bind(inspection)
            .bind(place)
            .bind(-now())
            .execute(&mut *change)
            .await?;
        }
        let event = Event {
            who: who.to_owned(),
            what: What::ImageDeleted,
            line: line.to_owned(),
            inspection: rows
                .first()
                .filter(|_| rows.len() == 1)
                .map(|row| row.0.clone()),
            detail: serde_json::json!({"images": rows.len(), "why": why}),
        };
        event.write(&mut change).await?;
        change.commit().await?;
        self.delete_files(rows).await
    }

    /// Deletes the files of images whose rows say that they are gone, except those that other inspections need.
    /// Inspections wait for one image at most, which may be in an object store.
    async fn delete_files(&self, rows: &[Row]) -> Result<(), ReviewError> {
        for (_, _, hash) in rows {
            let hash = ImageHash::stored(hash.clone());
            let _keeping = self.keeping.write().await;
            // Waiting inspections are asked first, because one of them may become a row in between.
            if self.waiting.shows(&hash) {
                continue;
            }
            // Another server stores no row with this image meanwhile.
            let held = self.database.lock(hash.as_str()).await?;
            let used: Option<i64> = sqlx::query_scalar(
                "SELECT place FROM inspection_images WHERE hash = $1 AND deleted = 0 LIMIT 1",
            )
            .bind(hash.as_str())
            .fetch_optional(&self.database.write)
            .await?;
            if used.is_none() {
                self.images.delete(&hash).await?;
            }
            if let Some(held) = held {
                held.commit().await?;
            }
        }
        let mut change = self.database.write.begin().await?;
        for (inspection, place, _) in rows {
            sqlx::query(
                "UPDATE inspection_images SET deleted = -deleted WHERE inspection = $1 AND place = $2 AND deleted < 0",
            )
            .bind(inspection)
            .bind(place)
            .execute(&mut *change)
            .await?;
        }
        change.commit().await?;
        Ok(())
    }
}
