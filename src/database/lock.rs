//! Locks between servers that share a database.

use sqlx::AnyConnection;

use super::Database;

impl Database {
    /// Waits until nobody holds the lock of a name, and holds it alone until the transaction ends. A database of one server
    /// has no such lock: the server has its own.
    ///
    /// # Errors
    /// That of the database.
    pub async fn lock(&self, change: &mut AnyConnection, name: &str) -> Result<(), sqlx::Error> {
        self.locked(
            change,
            "SELECT pg_advisory_xact_lock(hashtextextended($1, 0)) IS NULL",
            name,
        )
        .await
    }

    /// Waits until nobody holds the lock of a name alone, and holds it with others until the transaction ends.
    ///
    /// # Errors
    /// That of the database.
    pub async fn lock_with_others(
        &self,
        change: &mut AnyConnection,
        name: &str,
    ) -> Result<(), sqlx::Error> {
        self.locked(
            change,
            "SELECT pg_advisory_xact_lock_shared(hashtextextended($1, 0)) IS NULL",
            name,
        )
        .await
    }

    async fn locked(
        &self,
        change: &mut AnyConnection,
        statement: &'static str,
        name: &str,
    ) -> Result<(), sqlx::Error> {
        if self.is_shared {
            sqlx::query(statement).bind(name).execute(change).await?;
        }
        Ok(())
    }
}
