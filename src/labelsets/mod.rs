//! Label sets: labels that are described once, embedded once, and asked for by name ever after.
//!
//! A set survives a restart, since it is a file, and a change of its model, since its texts and images are kept and embedded
//! anew by the first request (or the start) that finds another model in place.

mod definition;
mod embedding;
mod store;

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};

pub use definition::{Definition, Label};
use store::{Store, Stored};

use crate::engine::{EngineError, ItemError, Model};
use crate::matching::Prototypes;

/// Sets that a server keeps: far beyond any honest use, and a bound on memory.
const MOST_SETS: usize = 10_000;

/// Why something about a label set failed.
#[derive(Debug, thiserror::Error)]
pub enum LabelSetError {
    /// There is none of that name.
    #[error("there is no label set {0:?}; PUT /v1/labelsets/{{name}} makes one")]
    Unknown(String),
    /// The name cannot be a file's name.
    #[error(
        "{0:?} is no name for a label set: 1 to 64 letters, digits, '-', '_' and '.', the first not a '.'"
    )]
    BadName(String),
    /// The definition makes no sense.
    #[error("{field}: {reason}")]
    Invalid {
        /// The field.
        field: String,
        /// What is wrong with it.
        reason: String,
    },
    /// A text or an example image cannot be embedded.
    #[error("{field}: {error}")]
    Item {
        /// The field.
        field: String,
        /// What is wrong with it.
        error: ItemError,
    },
    /// The engine could not do it now.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// There are as many as there may be.
    #[error("there are {MOST_SETS} label sets already; delete some")]
    TooMany,
    /// The disk refused.
    #[error("the label set cannot be kept: {0}")]
    Disk(#[from] std::io::Error),
}

/// Vectors of a set's labels, and the model that they are of.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Embedded {
    /// Name of the model.
    pub model: String,
    /// The model's content: see [`Model::fingerprint`].
    pub fingerprint: String,
    /// The vectors.
    pub prototypes: Prototypes,
}

/// A label set in memory.
#[derive(Debug)]
pub struct LabelSet {
    /// Its name.
    pub name: String,
    /// What the user put.
    pub definition: Definition,
    /// When it was put, in seconds since 1970.
    pub created: u64,
    embedded: RwLock<Option<Arc<Embedded>>>,
    /// Held while it is embedded anew: once is enough.
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

    /// The vectors that it has, of whatever model.
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

    fn stored(&self) -> Stored {
        Stored {
            definition: self.definition.clone(),
            created: self.created,
            embedded: self.embedded().map(|embedded| (*embedded).clone()),
        }
    }
}

/// All label sets of a server.
#[derive(Debug)]
pub struct LabelSets {
    store: Arc<Store>,
    sets: RwLock<HashMap<String, Arc<LabelSet>>>,
    /// Held while the disk and the map are changed, so that both say the same.
    writing: tokio::sync::Mutex<()>,
    most_items: usize,
}

impl LabelSets {
    /// Reads what is in a folder, which need not exist yet. A set holds at most `most_items` texts and images.
    ///
    /// # Errors
    /// A file that cannot be read, by name.
    pub fn open(folder: PathBuf, most_items: usize) -> std::io::Result<Self> {
        let store = Store::new(folder);
        let read = store.read_all()?.into_iter();
        let sets = read.map(|(name, stored)| (name.clone(), Arc::new(LabelSet::new(name, stored))));
        Ok(Self {
            sets: RwLock::new(sets.collect()),
            store: Arc::new(store),
            writing: tokio::sync::Mutex::new(()),
            most_items,
        })
    }

    /// The set of that name.
    ///
    /// # Errors
    /// [`LabelSetError::Unknown`].
    pub fn get(&self, name: &str) -> Result<Arc<LabelSet>, LabelSetError> {
        let sets = self.sets.read().unwrap_or_else(PoisonError::into_inner);
        let unknown = || LabelSetError::Unknown(name.to_owned());
        sets.get(name).cloned().ok_or_else(unknown)
    }

    /// All sets, by name.
    pub fn all(&self) -> Vec<Arc<LabelSet>> {
        let sets = self.sets.read().unwrap_or_else(PoisonError::into_inner);
        let mut all: Vec<_> = sets.values().cloned().collect();
        all.sort_by(|a, b| a.name.cmp(&b.name));
        all
    }

    /// Whether a set of that name and definition can be put, as far as can be told without embedding it.
    ///
    /// # Errors
    /// [`LabelSetError::BadName`] or [`LabelSetError::Invalid`].
    pub fn check(&self, name: &str, definition: &Definition) -> Result<(), LabelSetError> {
        definition::check_name(name)?;
        definition.check(self.most_items)
    }

    /// Makes or replaces a set: embedded, on disk and in use when this returns, or nothing of it. True if it is new.
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
        let _writing = self.writing.lock().await;
        let is_new = self.get(name).is_err();
        if is_new && self.all().len() >= MOST_SETS {
            return Err(LabelSetError::TooMany);
        }
        self.write(&set).await?;
        let mut sets = self.sets.write().unwrap_or_else(PoisonError::into_inner);
        sets.insert(name.to_owned(), set.clone());
        Ok((set, is_new))
    }

    /// Removes a set.
    ///
    /// # Errors
    /// [`LabelSetError::Unknown`], or what the disk says.
    pub async fn delete(&self, name: &str) -> Result<(), LabelSetError> {
        let _writing = self.writing.lock().await;
        self.get(name)?;
        let (store, file) = (self.store.clone(), name.to_owned());
        blocking(move || store.remove(&file)).await?;
        let mut sets = self.sets.write().unwrap_or_else(PoisonError::into_inner);
        sets.remove(name);
        Ok(())
    }

    /// The vectors of a set by this model; embeds it anew if those that it has are another's.
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
            embedded.filter(|embedded| embedded.fingerprint == model.fingerprint())
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
        let _writing = self.writing.lock().await;
        // It may have been replaced or deleted in the meantime: then the disk has nothing to learn.
        let is_current = self.get(&set.name).is_ok_and(|now| Arc::ptr_eq(&now, set));
        if is_current && let Err(error) = self.write(set).await {
            tracing::warn!(labelset = set.name, %error, "the new vectors are in use, and not on disk");
        }
        Ok(embedded)
    }

    async fn write(&self, set: &Arc<LabelSet>) -> std::io::Result<()> {
        let (store, set) = (self.store.clone(), set.clone());
        blocking(move || store.write(&set.name, &set.stored())).await
    }
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> std::io::Result<T> + Send + 'static,
) -> std::io::Result<T> {
    let done = tokio::task::spawn_blocking(work).await;
    done.map_err(std::io::Error::other)?
}
