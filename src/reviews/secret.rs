//! The key of keyed hashes: made once for a database, and never changed.

use ring::rand::{SecureRandom as _, SystemRandom};

use super::Reviews;
use super::error::ReviewError;

const NAME: &str = "keyed hashes";

impl Reviews {
    /// The key; the first call makes it.
    ///
    /// # Errors
    /// [`ReviewError`].
    pub async fn secret(&self) -> Result<String, ReviewError> {
        let mut bytes = [0; 32];
        let filled = SystemRandom::new().fill(&mut bytes);
        filled
            .map_err(|_| ReviewError::Content("the system gives no random numbers".to_owned()))?;
        let digits: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        sqlx::query(
            "INSERT INTO secrets (name, value) VALUES ($1, $2) ON CONFLICT (name) DO NOTHING",
        )
        .bind(NAME)
        .bind(digits)
        .execute(&self.database.write)
        .await?;
        let found = sqlx::query_scalar("SELECT value FROM secrets WHERE name = $1").bind(NAME);
        Ok(found.fetch_one(&self.database.write).await?)
    }
}
