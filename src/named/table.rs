//! Entries in a database that several servers share: one row for each.

use std::collections::HashMap;

use parking_lot::Mutex;
use serde::de::DeserializeOwned;
use uuid::Uuid;

use super::files::Stored;
use super::{Entry, Storable, StoreError};
use crate::database::Database;

/// Rows of one kind. Old versions are not kept.
#[derive(Debug)]
pub struct Table {
    database: Database,
    kind: &'static str,
    /// The stamp of each entry that this server knows: a row with another one was put by another server.
    stamps: Mutex<HashMap<String, String>>,
}

/// What is read of a row to replace it.
#[derive(serde::Deserialize)]
struct Version {
    version: u64,
}

/// The entries that a table has now.
pub type Found<D, E> = Vec<(String, Option<Stored<D, E>>)>;

impl Table {
    /// The rows of a kind.
    pub fn new(database: Database, kind: &'static str) -> Self {
        Self {
            database,
            kind,
            stamps: Mutex::default(),
        }
    }

    /// The names of all entries, each with its content if that is not known here yet.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn look<D: Storable, E: Storable>(&self) -> Result<Found<D, E>, StoreError> {
        let all = sqlx::query_as("SELECT name, stamp FROM named WHERE kind = $1");
        let all: Vec<(String, String)> = all.bind(self.kind).fetch_all(&self.database.read).await?;
        let mut found = Vec::with_capacity(all.len());
        let mut stamps = HashMap::with_capacity(all.len());
        for (name, stamp) in all {
            if self.stamps.lock().get(&name) == Some(&stamp) {
                stamps.insert(name.clone(), stamp);
                found.push((name, None));
                continue;
            }
            // It may be gone meanwhile.
            if let Some((stamp, stored)) = self.read(&name).await? {
                stamps.insert(name.clone(), stamp);
                found.push((name, Some(stored)));
            }
        }
        *self.stamps.lock() = stamps;
        Ok(found)
    }

    /// Forgets what is known: the next look reads everything.
    pub fn forget(&self) {
        self.stamps.lock().clear();
    }

    async fn read<T: DeserializeOwned>(
        &self,
        name: &str,
    ) -> Result<Option<(String, T)>, StoreError> {
        let row = sqlx::query_as("SELECT stamp, body FROM named WHERE kind = $1 AND name = $2");
        let row: Option<(String, String)> = row
            .bind(self.kind)
            .bind(name)
            .fetch_optional(&self.database.read)
            .await?;
        let Some((stamp, body)) = row else {
            return Ok(None);
        };
        let stored = serde_json::from_str(&body).map_err(|error| {
            let what = format!("the row of {} {name} in the database: {error}", self.kind);
            std::io::Error::other(what)
        })?;
        Ok(Some((stamp, stored)))
    }

    /// The version of a row, which the next [`Table::put`] replaces.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn version(&self, name: &str) -> Result<Option<u64>, StoreError> {
        let found = self.read::<Version>(name).await?;
        let mut stamps = self.stamps.lock();
        let Some((stamp, found)) = found else {
            stamps.remove(name);
            return Ok(None);
        };
        stamps.insert(name.to_owned(), stamp);
        Ok(Some(found.version))
    }

    /// Writes an entry that is new, or that replaces the one that this server knows.
    ///
    /// # Errors
    /// [`StoreError::Changed`] if another server has put or deleted it meanwhile.
    pub async fn put<D: Storable, E: Storable>(
        &self,
        entry: &Entry<D, E>,
    ) -> Result<(), StoreError> {
        let (name, stamp) = (&entry.name, Uuid::now_v7().to_string());
        let body = json(entry)?;
        let known = self.stamps.lock().get(name).cloned();
        let write = match &known {
            None => sqlx::query(
                "INSERT INTO named (kind, name, stamp, body) VALUES ($1, $2, $3, $4) ON CONFLICT (kind, name) DO NOTHING",
            ),
            Some(_) => sqlx::query(
                "UPDATE named SET stamp = $3, body = $4 WHERE kind = $1 AND name = $2 AND stamp = $5",
            ),
        };
        let write = write.bind(self.kind).bind(name).bind(&stamp).bind(body);
        let write = match &known {
            None => write,
            Some(known) => write.bind(known),
        };
        let done = write.execute(&self.database.write).await?;
        if done.rows_affected() == 0 {
            return Err(StoreError::Changed);
        }
        self.stamps.lock().insert(name.clone(), stamp);
        Ok(())
    }

    /// Writes what was computed from an entry, unless another server has put or deleted it meanwhile.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn put_computed<D: Storable, E: Storable>(
        &self,
        entry: &Entry<D, E>,
    ) -> Result<(), StoreError> {
        let known = self.stamps.lock().get(&entry.name).cloned();
        let write =
            sqlx::query("UPDATE named SET body = $4 WHERE kind = $1 AND name = $2 AND stamp = $3");
        let write = write.bind(self.kind).bind(&entry.name).bind(known);
        write
            .bind(json(entry)?)
            .execute(&self.database.write)
            .await?;
        Ok(())
    }

    /// Removes an entry; one that is missing is no error.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn remove(&self, name: &str) -> Result<(), StoreError> {
        let remove = sqlx::query("DELETE FROM named WHERE kind = $1 AND name = $2");
        let remove = remove.bind(self.kind).bind(name);
        remove.execute(&self.database.write).await?;
        self.stamps.lock().remove(name);
        Ok(())
    }
}

fn json<D: Storable, E: Storable>(entry: &Entry<D, E>) -> Result<String, StoreError> {
    let computed = entry.all_computed();
    let text = serde_json::to_string(&entry.to_store(&computed));
    Ok(text.map_err(std::io::Error::from)?)
}
