//! Deletes images that are kept no longer.

use super::registry::Lines;
use crate::reviews::now;

/// Milliseconds of a day.
const DAY: i64 = 24 * 3600 * 1000;

impl Lines {
    /// Deletes the images that are kept no longer, of all lines. An error of one line is logged.
    pub async fn keep_retention(&self) {
        let Some(reviews) = self.reviews() else {
            return;
        };
        if let Err(error) = reviews.finish_deletions().await {
            tracing::error!(%error, "interrupted deletions of images are not ended");
        }
        let lines = match self.all().await {
            Ok(lines) => lines,
            Err(error) => {
                tracing::error!(%error, "old images of lines are not deleted");
                return;
            }
        };
        for line in lines {
            let Some(days) = line.definition.retention_days else {
                continue;
            };
            let before = now() - i64::from(days) * DAY;
            match reviews.delete_images_before(&line.name, before).await {
                Ok(deleted) if deleted.images > 0 => {
                    tracing::info!(
                        line = line.name,
                        images = deleted.images,
                        "old images deleted"
                    );
                }
                Ok(_) => {}
                Err(error) => {
                    tracing::error!(line = line.name, %error, "old images are not deleted");
                }
            }
        }
    }
}
