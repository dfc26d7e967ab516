//! Locks between servers that share a database. A database of one server has none: the server has locks of its own.

use sqlx::{Any, AnyConnection, Transaction};

use super::Database;

impl Database {
    /// Takes the exclusive lock of a name, which is released with the transaction. `None` if the database is not shared.
    ///
    /// # Errors
    /// That of the database.
    pub async fn lock(&self, name: &str) -> Result<Option<Transaction<'static, Any>>, sqlx::Error> {
        if !self.is_shared {
            return Ok(None);
        }
        let mut held = self.write.begin().await?;
        sqlx::query("SELECT pg_advisory_xact_lock(hashtextextended($1, 0)) IS NULL")
            .bind(name)
            .execute(&mut *held)
            .await?;
        Ok(Some(held))
    }

    /// Begins a change that no other server makes at the same time under this name. A database of one server has one writer.
    ///
    /// # Errors
    /// That of the database.
    pub async fn begin_alone(&self, name: &str) -> Result<Transaction<'static, Any>, sqlx::Error> {
        match self.lock(name).await? {
            Some(held) => Ok(held),
            None => self.write.begin().await,
        }
    }

    /// Takes the shared lock of a name until a transaction ends. Only for a shared database.
    ///
    /// # Errors
    /// That of the database.
    pub async fn lock_shared(
        &self,
        change: &mut AnyConnection,
        name: &str,
    ) -> Result<(), sqlx::Error> {
        sqlx::query("SELECT pg_advisory_xact_lock_shared(hashtextextended($1, 0)) IS NULL")
            .bind(name)
            .execute(change)
            .await?;
        Ok(())
    }
}
