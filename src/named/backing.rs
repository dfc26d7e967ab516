//! Where entries are kept: in files of this server, or in a database that several servers share.

use std::path::PathBuf;
use std::sync::Arc;

use super::files::{Files, Stored};
use super::table::{Found, Table};
use super::{Entry, Storable, StoreError};
use crate::database::Database;

/// See the module.
#[derive(Debug, Clone)]
pub enum Backing {
    /// A folder with a file for each entry.
    Files(Arc<Files>),
    /// Rows of a database.
    Table(Arc<Table>),
}

/// A change of what is kept.
#[derive(Debug)]
pub enum Change<D, E> {
    /// A new entry, or one that replaces this version.
    Put(Arc<Entry<D, E>>, Option<u64>),
    /// More was computed from an entry.
    Computed(Arc<Entry<D, E>>),
    /// No entry has this name any more.
    Remove(String),
}

impl Backing {
    /// A folder, or the rows of a kind in a shared database. Entries that the folder has from before are moved to the
    /// database, if it has none of their names, and the folder is renamed.
    ///
    /// # Errors
    /// A file that cannot be read, or the database.
    pub async fn open<D: Storable, E: Storable>(
        folder: PathBuf,
        shared: Option<Database>,
        kind: &'static str,
        old_versions: u64,
    ) -> Result<Self, StoreError> {
        let files = Files::new(folder.clone(), old_versions);
        let Some(database) = shared else {
            return Ok(Self::Files(Arc::new(files)));
        };
        let table = Table::new(database, kind);
        let of_files = files.read_all::<D, E>()?;
        if !of_files.is_empty() {
            // Nothing is known of the table yet, so a name that it has is not replaced.
            for (name, stored) in of_files {
                match table.put(&Entry::of(name.clone(), stored)).await {
                    Ok(()) => tracing::info!(kind, name, "moved from a file to the database"),
                    Err(StoreError::Changed) => {
                        tracing::warn!(
                            kind,
                            name,
                            "the database has one of this name: the file is not used"
                        );
                    }
                    Err(error) => return Err(error),
                }
            }
            let mut moved = folder.clone().into_os_string();
            moved.push(".moved");
            std::fs::rename(&folder, &moved).map_err(|error| {
                let (folder, moved) = (folder.display(), moved.display());
                let what = format!("cannot rename {folder} to {moved}: {error}");
                std::io::Error::new(error.kind(), what)
            })?;
        }
        // The store has none of them yet.
        table.forget();
        Ok(Self::Table(Arc::new(table)))
    }

    /// All entries, each with its content unless that is known and has not changed.
    ///
    /// # Errors
    /// A file or row that cannot be read; the error names it.
    pub async fn look<D: Storable, E: Storable>(&self) -> Result<Found<D, E>, StoreError> {
        match self {
            Self::Files(files) => {
                let files = files.clone();
                let read = blocking(move || files.read_all()).await?;
                let whole = |(name, stored)| (name, Some(stored));
                Ok(read.into_iter().map(whole).collect())
            }
            Self::Table(table) => table.look().await,
        }
    }

    /// Forgets what is known: the next look reads everything.
    pub fn forget(&self) {
        if let Self::Table(table) = self {
            table.forget();
        }
    }

    /// The version that a shared database has of an entry now: the next change replaces that one.
    ///
    /// # Errors
    /// The database.
    pub async fn version(&self, name: &str) -> Result<Option<u64>, StoreError> {
        match self {
            Self::Files(_) => Ok(None),
            Self::Table(table) => table.version(name).await,
        }
    }

    /// An old version; a table has none.
    ///
    /// # Errors
    /// A file that cannot be read; the error names it.
    pub async fn old_version<D: Storable, E: Storable>(
        &self,
        name: String,
        version: u64,
    ) -> Result<Option<Stored<D, E>>, StoreError> {
        match self {
            Self::Files(files) => {
                let files = files.clone();
                Ok(blocking(move || files.read_version(&name, version)).await?)
            }
            Self::Table(_) => Ok(None),
        }
    }

    /// Makes a change. It is on disk when this returns.
    ///
    /// # Errors
    /// [`StoreError::Changed`] if another server has changed the entry meanwhile, and others.
    pub async fn change<D: Storable, E: Storable>(
        &self,
        change: Change<D, E>,
    ) -> Result<(), StoreError> {
        match (self, change) {
            (Self::Files(files), change) => {
                let files = files.clone();
                let work = move || match change {
                    Change::Put(entry, Some(version)) => files.replace(version, &entry),
                    Change::Put(entry, None) | Change::Computed(entry) => files.write(&entry),
                    Change::Remove(name) => files.remove(&name),
                };
                Ok(blocking(work).await?)
            }
            (Self::Table(table), Change::Put(entry, _)) => table.put(&entry).await,
            (Self::Table(table), Change::Computed(entry)) => table.put_computed(&entry).await,
            (Self::Table(table), Change::Remove(name)) => table.remove(&name).await,
        }
    }
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> std::io::Result<T> + Send + 'static,
) -> std::io::Result<T> {
    let done = tokio::task::spawn_blocking(work).await;
    done.map_err(std::io::Error::other)?
}
