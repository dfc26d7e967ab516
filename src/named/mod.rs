//! Things that a user puts under a name and that other requests use by it: in memory, and on disk as a file for each, or as
//! a row of a database that several servers share.
//!
//! An [`Entry`] has a definition, which only its user changes, and what models compute from it (such as vectors), which is
//! computed again for another model. The store knows neither: both are types of its user. Each change of a definition gets
//! the next version number. A change is on disk when it is acknowledged; after a kill each file is the old or the new one.

mod backing;
mod entry;
mod error;
mod files;
mod read_again;
mod table;
#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::sync::Arc;

use parking_lot::RwLock;
use serde::Serialize;
use serde::de::DeserializeOwned;

pub use self::backing::Backing;
use self::backing::Change;
pub use self::entry::Entry;
pub use self::error::StoreError;
pub use self::files::check_name;
pub use self::read_again::Changes;

/// The definition of an entry, or what a model computed from it.
pub trait Storable: Serialize + DeserializeOwned + Send + Sync + 'static {
    /// Bytes in memory, about.
    fn bytes(&self) -> usize;
}

/// Limits on memory and on disk.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Maximum number of entries.
    pub entries: usize,
    /// Maximum bytes of all definitions together; and, beside those for the model that each entry was last used with, of
    /// everything that models computed.
    pub bytes: usize,
    /// Number of versions before the present one that stay on disk.
    pub old_versions: u64,
}

/// Servers that put the same name at the same time: a PUT is tried so often.
const MOST_TRIES: usize = 4;

/// Entries by name.
type Entries<D, E> = HashMap<String, Arc<Entry<D, E>>>;

/// All entries of one kind, with definitions `D` from which models compute `E`.
#[derive(Debug)]
pub struct Store<D, E> {
    backing: Backing,
    entries: Arc<RwLock<Entries<D, E>>>,
    /// Held while the disk and the map change, so that they stay consistent.
    writing: Arc<tokio::sync::Mutex<()>>,
    limits: Limits,
}

impl<D: Storable + PartialEq, E: Storable> Store<D, E> {
    /// Reads all entries.
    ///
    /// # Errors
    /// A file or row that cannot be read; the error names it.
    pub async fn open(backing: Backing, limits: Limits) -> Result<Self, StoreError> {
        let found = backing.look().await?.into_iter();
        let entries = found.filter_map(|(name, stored)| {
            let entry = Entry::of(name.clone(), stored?);
            Some((name, Arc::new(entry)))
        });
        Ok(Self {
            entries: Arc::new(RwLock::new(entries.collect())),
            backing,
            writing: Arc::default(),
            limits,
        })
    }

    /// The entry with this name.
    pub fn get(&self, name: &str) -> Option<Arc<Entry<D, E>>> {
        let entries = self.entries.read();
        entries.get(name).cloned()
    }

    /// All entries, sorted by name.
    pub fn all(&self) -> Vec<Arc<Entry<D, E>>> {
        let entries = self.entries.read();
        let mut all: Vec<_> = entries.values().cloned().collect();
        all.sort_by(|a, b| a.name.cmp(&b.name));
        all
    }

    /// Calls `act` if there is an entry with this name, before a concurrent deletion or after it, not during it.
    pub fn while_known(&self, name: &str, act: impl FnOnce()) {
        let entries = self.entries.read();
        if entries.contains_key(name) {
            act();
        }
    }

    /// Checks whether there is room for a definition beside the others. Returns the entry that it would replace.
    ///
    /// # Errors
    /// [`StoreError::TooMany`] or [`StoreError::TooManyBytes`].
    pub fn check_room(
        &self,
        name: &str,
        definition: &D,
    ) -> Result<Option<Arc<Entry<D, E>>>, StoreError> {
        let entries = self.entries.read();
        let before = entries.get(name).cloned();
        if before.is_none() && entries.len() >= self.limits.entries {
            return Err(StoreError::TooMany(self.limits.entries));
        }
        let others = entries.values().filter(|other| other.name != name);
        let others: usize = others.map(|other| other.definition.bytes()).sum();
        let bytes = others.saturating_add(definition.bytes());
        if bytes > self.limits.bytes {
            let most = self.limits.bytes;
            return Err(StoreError::TooManyBytes { bytes, most });
        }
        Ok(before)
    }

    /// Creates or replaces an entry atomically: it is on disk and in use when this returns, or nothing has changed. True if
    /// it is new.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn put(
        &self,
        name: &str,
        definition: D,
        computed: Option<E>,
    ) -> Result<(Arc<Entry<D, E>>, bool), StoreError> {
        check_name(name)?;
        let mut entry = Entry::new(name, None, definition, computed);
        let mut is_contested = false;
        for _ in 0..MOST_TRIES {
            let writing = self.writing.clone().lock_owned().await;
            let known = self.check_room(name, &entry.definition)?;
            // Asked under the lock: no other PUT to this server can come between the number and its use.
            let old = if is_contested {
                self.backing.version(name).await?
            } else {
                known.map(|known| known.version)
            };
            entry.version = old.unwrap_or(0) + 1;
            let new = Arc::new(entry);
            match self.put_now(writing, &new, old).await {
                // Another server has put or deleted it: this is the version after that.
                Err(StoreError::Changed) => is_contested = true,
                Err(error) => return Err(error),
                Ok(()) => return Ok((new, old.is_none())),
            }
            entry = Arc::into_inner(new).ok_or(StoreError::Changed)?;
        }
        Err(StoreError::Changed)
    }

    /// Replaces an entry by one that was made of it.
    ///
    /// # Errors
    /// [`StoreError::Changed`] if it is not the present one any more, and others.
    pub async fn replace(
        &self,
        known: &Arc<Entry<D, E>>,
        definition: D,
        computed: Option<E>,
    ) -> Result<Arc<Entry<D, E>>, StoreError> {
        let writing = self.writing.clone().lock_owned().await;
        let before = self.check_room(&known.name, &definition)?;
        if !before.is_some_and(|before| Arc::ptr_eq(&before, known)) {
            return Err(StoreError::Changed);
        }
        let old = Some(known.version);
        let new = Arc::new(Entry::new(&known.name, old, definition, computed));
        self.put_now(writing, &new, old).await?;
        Ok(new)
    }

    async fn put_now(
        &self,
        writing: tokio::sync::OwnedMutexGuard<()>,
        entry: &Arc<Entry<D, E>>,
        old: Option<u64>,
    ) -> Result<(), StoreError> {
        let new = entry.clone();
        let insert = move |entries: &mut Entries<D, E>| {
            entries.insert(new.name.clone(), new);
        };
        let change = Change::Put(entry.clone(), old);
        self.change(writing, change, insert).await
    }

    /// Removes an entry with its old versions; false if there is none. `removed` is called when it is out of use.
    ///
    /// # Errors
    /// Errors of the file system or the database.
    pub async fn delete(
        &self,
        name: &str,
        removed: impl FnOnce(&str) + Send + 'static,
    ) -> Result<bool, StoreError> {
        let writing = self.writing.clone().lock_owned().await;
        if self.get(name).is_none() {
            return Ok(false);
        }
        let name = name.to_owned();
        let remove = Change::Remove(name.clone());
        let forget = move |entries: &mut Entries<D, E>| {
            entries.remove(&name);
            removed(&name);
        };
        self.change(writing, remove, forget).await?;
        Ok(true)
    }

    /// The definition of the present or of an old version; `None` if it is unknown or no longer stored.
    ///
    /// # Errors
    /// A file that cannot be read; the error names it.
    pub async fn version(
        &self,
        name: &str,
        version: u64,
    ) -> Result<Option<Arc<Entry<D, E>>>, StoreError> {
        let Some(present) = self.get(name) else {
            return Ok(None);
        };
        if present.version == version {
            return Ok(Some(present));
        }
        let stored = self.backing.old_version(name.to_owned(), version).await?;
        Ok(stored.map(|stored| Arc::new(Entry::of(name.to_owned(), stored))))
    }

    /// What a model computed from an entry: the one that `is_wanted`, or the result of `compute`, which is awaited only if
    /// there is none yet. Concurrent calls compute it once. It is stored beside those of other models.
    ///
    /// # Errors
    /// The error of `compute`.
    pub async fn computed<X>(
        &self,
        entry: &Arc<Entry<D, E>>,
        is_wanted: impl Fn(&E) -> bool,
        compute: impl Future<Output = Result<E, X>>,
    ) -> Result<Arc<E>, X> {
        if let Some(found) = entry.computed(&is_wanted) {
            return Ok(found);
        }
        let _computing = entry.computing.lock().await;
        if let Some(found) = entry.computed(&is_wanted) {
            return Ok(found);
        }
        let new = Arc::new(compute.await?);
        entry.add(new.clone(), self.room_beside(entry));
        let writing = self.writing.clone().lock_owned().await;
        // The entry may have been replaced or deleted meanwhile; then nothing is written.
        let is_present = self
            .get(&entry.name)
            .is_some_and(|now| Arc::ptr_eq(&now, entry));
        let write = Change::Computed(entry.clone());
        if is_present && let Err(error) = self.change(writing, write, |_| ()).await {
            tracing::warn!(name = entry.name, %error, "the new vectors are in use but could not be stored");
        }
        Ok(new)
    }

    /// Bytes that an entry may keep for other models than its last one.
    fn room_beside(&self, entry: &Entry<D, E>) -> usize {
        let entries = self.entries.read();
        let others = entries.values().filter(|other| other.name != entry.name);
        let used: usize = others.map(|other| other.bytes_of_earlier()).sum();
        self.limits.bytes.saturating_sub(used)
    }

    /// Changes what is stored, then the map. This runs to its end even if the request is cancelled: otherwise the two could
    /// differ, and another request could write the same file at the same time.
    async fn change(
        &self,
        writing: tokio::sync::OwnedMutexGuard<()>,
        change: Change<D, E>,
        map: impl FnOnce(&mut Entries<D, E>) + Send + 'static,
    ) -> Result<(), StoreError> {
        let (backing, entries) = (self.backing.clone(), self.entries.clone());
        let work = async move {
            let _writing = writing;
            backing.change(change).await?;
            map(&mut entries.write());
            Ok(())
        };
        let done = tokio::spawn(work).await;
        done.map_err(std::io::Error::other)?
    }
}
