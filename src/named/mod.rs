//! Things that a user puts under a name and that other requests use by it: in memory, and on disk as a file for each.
//!
//! An [`Entry`] has a definition, which only its user changes, and what models compute from it (such as vectors), which is
//! computed again for another model. The store knows neither: both are types of its user. Each change of a definition gets
//! the next version number. A change is on disk when it is acknowledged; after a kill each file is the old or the new one.

mod entry;
mod error;
mod files;
mod read_again;
#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;

use parking_lot::RwLock;
use serde::Serialize;
use serde::de::DeserializeOwned;

pub use self::entry::Entry;
pub use self::error::StoreError;
use self::files::Files;
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

/// Entries by name.
type Entries<D, E> = HashMap<String, Arc<Entry<D, E>>>;

/// All entries of one kind, with definitions `D` from which models compute `E`.
#[derive(Debug)]
pub struct Store<D, E> {
    files: Arc<Files>,
    entries: Arc<RwLock<Entries<D, E>>>,
    /// Held while the disk and the map change, so that they stay consistent.
    writing: Arc<tokio::sync::Mutex<()>>,
    limits: Limits,
}

impl<D: Storable + PartialEq, E: Storable> Store<D, E> {
    /// Reads the entries in a folder, which need not exist yet.
    ///
    /// # Errors
    /// A file that cannot be read; the error names it.
    pub fn open(folder: PathBuf, limits: Limits) -> std::io::Result<Self> {
        let files = Files::new(folder, limits.old_versions);
        let read = files.read_all()?.into_iter();
        let entries = read.map(|(name, stored)| (name.clone(), Arc::new(Entry::of(name, stored))));
        Ok(Self {
            entries: Arc::new(RwLock::new(entries.collect())),
            files: Arc::new(files),
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
        let writing = self.writing.clone().lock_owned().await;
        let before = self.check_room(name, &definition)?;
        let old_version = before.as_ref().map(|before| before.version);
        let entry = Arc::new(Entry::new(name, old_version, definition, computed));
        let (new, name) = (entry.clone(), name.to_owned());
        let write = move |files: &Files| match old_version {
            Some(version) => files.replace(version, &new).map(|()| new),
            None => files.write(&new).map(|()| new),
        };
        let insert = move |entries: &mut Entries<D, E>, new| drop(entries.insert(name, new));
        self.change(writing, write, insert).await?;
        Ok((entry, before.is_none()))
    }

    /// Removes an entry with its old versions; false if there is none. `removed` is called when it is out of use.
    ///
    /// # Errors
    /// Errors of the file system.
    pub async fn delete(
        &self,
        name: &str,
        removed: impl FnOnce(&str) + Send + 'static,
    ) -> std::io::Result<bool> {
        let writing = self.writing.clone().lock_owned().await;
        if self.get(name).is_none() {
            return Ok(false);
        }
        let name = name.to_owned();
        let remove = move |files: &Files| files.remove(&name).map(|()| name);
        let forget = move |entries: &mut Entries<D, E>, name: String| {
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
    ) -> std::io::Result<Option<Arc<Entry<D, E>>>> {
        let Some(present) = self.get(name) else {
            return Ok(None);
        };
        if present.version == version {
            return Ok(Some(present));
        }
        let (files, name) = (self.files.clone(), name.to_owned());
        let read = move || {
            let stored = files.read_version(&name, version)?;
            Ok(stored.map(|stored| Arc::new(Entry::of(name, stored))))
        };
        let read = tokio::task::spawn_blocking(read).await;
        read.map_err(std::io::Error::other)?
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
        let to_write = entry.clone();
        let write = move |files: &Files| files.write(&to_write);
        if is_present && let Err(error) = self.change(writing, write, |_, ()| ()).await {
            tracing::warn!(name = entry.name, %error, "the new vectors are in use but could not be stored on disk");
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

    /// Changes the disk, then the map. This runs to its end even if the request is cancelled: otherwise the two could
    /// differ, and another request could write the same file at the same time.
    async fn change<T>(
        &self,
        writing: tokio::sync::OwnedMutexGuard<()>,
        disk: impl FnOnce(&Files) -> std::io::Result<T> + Send + 'static,
        map: impl FnOnce(&mut Entries<D, E>, T) + Send + 'static,
    ) -> std::io::Result<()> {
        let (files, entries) = (self.files.clone(), self.entries.clone());
        let work = move || {
            let _writing = writing;
            let done = disk(&files)?;
            map(&mut entries.write(), done);
            Ok(())
        };
        let done = tokio::task::spawn_blocking(work).await;
        done.map_err(std::io::Error::other)?
    }
}
