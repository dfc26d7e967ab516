//! Label sets: labels that are described once, embedded once, and then used by name.
//!
//! A set survives a restart, because it is stored as a file. It also survives a change of its model: its texts and images
//! are stored and are embedded again by the first request (or at the start) with another model.

mod definition;
mod embedding;
mod error;
mod read_again;
mod store;

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{SystemTime, UNIX_EPOCH};

pub use self::store::Embedded;
pub use definition::{Definition, Label};
pub use error::LabelSetError;
use error::{MOST_BYTES, MOST_SETS};
pub use read_again::Changes;
use store::{Store, Stored, ToStore};

use crate::engine::Model;
use crate::telemetry::Metrics;

/// A label set in memory.
#[derive(Debug)]
pub struct LabelSet {
    /// Its name.
    pub name: String,
    /// The definition from the user.
    pub definition: Definition,
    /// Time of the PUT, in seconds since 1970.
    pub created: u64,
    embedded: RwLock<Option<Arc<Embedded>>>,
    /// Held while the set is embedded again, so that this happens once.
    embedding: tokio::sync::Mutex<()>,
}

impl LabelSet {
    fn new(name: String, stored: Stored) -> Self {
        Self {
            name,
            definition: stored.definition,
            created: stored.created,
            embedded: RwLock::new(stored.embedded.map(Arc::new)),
            embedding: tokio::sync::Mutex::new(()),
        }
    }

    /// Its vectors, from any model.
    pub fn embedded(&self) -> Option<Arc<Embedded>> {
        let embedded = self.embedded.read();
        embedded.unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn replace(&self, embedded: Arc<Embedded>) {
        let mut place = self
            .embedded
            .write()
            .unwrap_or_else(PoisonError::into_inner);
        *place = Some(embedded);
    }

    fn write_to(&self, store: &Store) -> std::io::Result<()> {
        let embedded = self.embedded();
        let set = ToStore {
            definition: &self.definition,
            created: self.created,
            embedded: embedded.as_deref(),
        };
        store.write(&self.name, &set)
    }
}

/// Sets by name.
type Sets = HashMap<String, Arc<LabelSet>>;

/// All label sets of a server.
#[derive(Debug)]
pub struct LabelSets {
    store: Arc<Store>,
    sets: Arc<RwLock<Sets>>,
    /// Held while the disk and the map change, so that they stay consistent.
    writing: Arc<tokio::sync::Mutex<()>>,
    most_items: usize,
    metrics: Arc<Metrics>,
}

impl LabelSets {
    /// Reads the sets in a folder, which need not exist yet. A set has at most `most_items` texts and images. `metrics`
    /// counts the decisions of the sets.
    ///
    /// # Errors
    /// A file that cannot be read; the error names it.
    pub fn open(
        folder: PathBuf,
        most_items: usize,
        metrics: Arc<Metrics>,
    ) -> std::io::Result<Self> {
        let store = Store::new(folder);
        let read = store.read_all()?.into_iter();
        let sets = read.map(|(name, stored)| (name.clone(), Arc::new(LabelSet::new(name, stored))));
        Ok(Self {
            sets: Arc::new(RwLock::new(sets.collect())),
            store: Arc::new(store),
            writing: Arc::default(),
            most_items,
            metrics,
        })
    }

    /// The set with this name.
    ///
    /// # Errors
    /// [`LabelSetError::Unknown`].
    pub fn get(&self, name: &str) -> Result<Arc<LabelSet>, LabelSetError> {
        let sets = self.sets.read().unwrap_or_else(PoisonError::into_inner);
        let unknown = || LabelSetError::Unknown(name.to_owned());
        sets.get(name).cloned().ok_or_else(unknown)
    }

    /// All sets, sorted by name.
    pub fn all(&self) -> Vec<Arc<LabelSet>> {
        let sets = self.sets.read().unwrap_or_else(PoisonError::into_inner);
        let mut all: Vec<_> = sets.values().cloned().collect();
        all.sort_by(|a, b| a.name.cmp(&b.name));
        all
    }

    /// Checks whether a set with this name and definition can be stored, without embedding it.
    ///
    /// # Errors
    /// [`LabelSetError::BadName`] or [`LabelSetError::Invalid`].
    pub fn check(&self, name: &str, definition: &Definition) -> Result<(), LabelSetError> {
        definition::check_name(name)?;
        definition.check(self.most_items)
    }

    /// Counts the decision of a set about an image. Nothing is counted for a set that was deleted meanwhile, so there are
    /// never more series than sets.
    pub fn count(&self, set: &LabelSet, decided: bool, best_score: f32) {
        let sets = self.sets.read().unwrap_or_else(PoisonError::into_inner);
        // Under the lock that a deletion takes to remove the series.
        if sets.contains_key(&set.name) {
            self.metrics
                .labelsets
                .decision(&set.name, decided, best_score);
        }
    }

    /// Creates or replaces a set atomically: it is embedded, on disk and in use when this returns, or nothing has changed.
    /// True if it is new.
    ///
    /// # Errors
    /// [`LabelSetError`].
    pub async fn put(
        &self,
        name: &str,
        definition: Definition,
        model: &Model,
    ) -> Result<(Arc<LabelSet>, bool), LabelSetError> {
        self.check(name, &definition)?;
        // Nothing is embedded for a set that will be refused.
        self.check_room(name, &definition)?;
        let embedded = embedding::embed(&definition, model).await?;
        let now = SystemTime::now().duration_since(UNIX_EPOCH);
        let set = Arc::new(LabelSet::new(
            name.to_owned(),
            Stored {
                definition,
                created: now.map_or(0, |since| since.as_secs()),
                embedded: Some(embedded),
            },
        ));
        let writing = self.writing.clone().lock_owned().await;
        let is_new = self.check_room(name, &set.definition)?;
        let (new, name) = (set.clone(), name.to_owned());
        let write = move |store: &Store| new.write_to(store).map(|()| new);
        let insert = move |sets: &mut Sets, new| drop(sets.insert(name, new));
        self.change(writing, write, insert).await?;
        Ok((set, is_new))
    }

    /// Checks whether there is room for a set beside the others; true if it is new.
    fn check_room(&self, name: &str, definition: &Definition) -> Result<bool, LabelSetError> {
        let is_new = self.get(name).is_err();
        let all = self.all();
        if is_new && all.len() >= MOST_SETS {
            return Err(LabelSetError::TooMany);
        }
        let others = all.iter().filter(|other| other.name != name);
        let others: usize = others.map(|other| other.definition.bytes()).sum();
        let bytes = others + definition.bytes();
        if bytes > MOST_BYTES {
            return Err(LabelSetError::TooManyBytes(bytes));
        }
        Ok(is_new)
    }

    /// Removes a set.
    ///
    /// # Errors
    /// [`LabelSetError::Unknown`], or an error of the disk.
    pub async fn delete(&self, name: &str) -> Result<(), LabelSetError> {
        let writing = self.writing.clone().lock_owned().await;
        self.get(name)?;
        let name = name.to_owned();
        let remove = move |store: &Store| store.remove(&name).map(|()| name);
        let metrics = self.metrics.clone();
        let forget = move |sets: &mut Sets, name: String| {
            sets.remove(&name);
            metrics.labelsets.forget(&name);
        };
        Ok(self.change(writing, remove, forget).await?)
    }

    /// The vectors of a set for this model; the set is embedded again if its vectors belong to another model.
    ///
    /// # Errors
    /// [`LabelSetError`].
    pub async fn embedded_by(
        &self,
        set: &Arc<LabelSet>,
        model: &Model,
    ) -> Result<Arc<Embedded>, LabelSetError> {
        let current = || {
            let embedded = set.embedded();
            embedded.filter(|embedded| {
                embedded.fingerprint == model.fingerprint()
                    && embedded.image_options == embedding::options_of(&set.definition, model)
            })
        };
        if let Some(embedded) = current() {
            return Ok(embedded);
        }
        let _embedding = set.embedding.lock().await;
        if let Some(embedded) = current() {
            return Ok(embedded);
        }
        tracing::info!(
            labelset = set.name,
            model = model.name(),
            "embedding a label set for another model"
        );
        let embedded = Arc::new(embedding::embed(&set.definition, model).await?);
        set.replace(embedded.clone());
        let writing = self.writing.clone().lock_owned().await;
        // The set may have been replaced or deleted meanwhile; then nothing is written.
        let is_current = self.get(&set.name).is_ok_and(|now| Arc::ptr_eq(&now, set));
        let new = set.clone();
        let write = move |store: &Store| new.write_to(store);
        if is_current && let Err(error) = self.change(writing, write, |_, ()| ()).await {
            tracing::warn!(labelset = set.name, %error, "the new vectors are in use but could not be stored on disk");
        }
        Ok(embedded)
    }

    /// Changes the disk, then the map. This runs to its end even if the request is cancelled: otherwise the two could
    /// differ, and another request could write the same file at the same time.
    async fn change<T>(
        &self,
        writing: tokio::sync::OwnedMutexGuard<()>,
        disk: impl FnOnce(&Store) -> std::io::Result<T> + Send + 'static,
        map: impl FnOnce(&mut Sets, T) + Send + 'static,
    ) -> std::io::Result<()> {
        let (store, sets) = (self.store.clone(), self.sets.clone());
        let work = move || {
            let _writing = writing;
            let done = disk(&store)?;
            map(
                &mut sets.write().unwrap_or_else(PoisonError::into_inner),
                done,
            );
            Ok(())
        };
        let done = tokio::task::spawn_blocking(work).await;
        done.map_err(std::io::Error::other)?
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_counted_for_a_deleted_set() {
        let folder = tempfile::tempdir().unwrap();
        let metrics = Arc::new(Metrics::new().unwrap());
        let sets = LabelSets::open(folder.path().to_owned(), 10, metrics.clone()).unwrap();
        let definition = serde_json::from_str(r#"{"labels": ["good"]}"#).unwrap();
        let stored = Stored {
            definition,
            created: 0,
            embedded: None,
        };
        let set = Arc::new(LabelSet::new("bolts".to_owned(), stored));
        let exposed = || String::from_utf8(metrics.exposition().unwrap()).unwrap();
        // A request may use a set that another request has deleted.
        sets.count(&set, true, 0.9);
        assert!(!exposed().contains("bolts"));
        let known = || sets.sets.write().unwrap();
        known().insert("bolts".to_owned(), set.clone());
        sets.count(&set, true, 0.9);
        assert!(exposed().contains(r#"decision="decided",labelset="bolts"} 1"#));
        metrics.labelsets.forget("bolts");
        assert!(!exposed().contains("bolts"));
    }
}
