//! What an id is that of: an inspection, or a planted item.

use super::error::ReviewError;
use super::inspections::{COLUMNS, Inspection};
use super::{Reviews, planted_items};

impl Reviews {
    /// An inspection, or a planted item, which looks like one.
    ///
    /// # Errors
    /// [`ReviewError::NoInspection`], and others.
    pub async fn inspection(&self, id: &str) -> Result<Inspection, ReviewError> {
        let sql = format!("SELECT {COLUMNS} FROM inspections WHERE id = $1");
        let row = sqlx::query(&sql).bind(id);
        if let Some(row) = row.fetch_optional(&self.database.read).await? {
            return Ok(Inspection::read(&row)?);
        }
        let mut connection = self.database.read.acquire().await?;
        let planted = planted_items::one(&mut connection, id, None).await?;
        planted.ok_or(ReviewError::NoInspection)
    }
}
