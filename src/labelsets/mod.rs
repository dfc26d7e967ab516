//! Label sets: labels that are described once, embedded once, and then used by name.
//!
//! A set survives a restart, because it is stored as a file. It also survives a change of its model: its texts and images
//! are stored and are embedded by the first request (or at the start) with another model. The vectors of several models are
//! stored, so that two of them can use a set in turn.

mod check;
mod definition;
mod embedding;
mod error;
mod label;

use std::path::PathBuf;
use std::sync::Arc;

pub use definition::Definition;
pub use embedding::Embedded;
pub use error::LabelSetError;
pub use label::Label;

use crate::database::Database;
use crate::engine::Model;
use crate::named::{Backing, Changes, Entry, Limits, Store, StoreError, check_name};
use crate::telemetry::Metrics;

/// A label set in memory.
pub type LabelSet = Entry<Definition, Embedded>;

/// Far beyond normal use, and a limit on memory.
const LIMITS: Limits = Limits {
    entries: 10_000,
    bytes: 256 << 20,
    old_versions: 0,
};

/// All label sets of a server.
#[derive(Debug)]
pub struct LabelSets {
    store: Store<Definition, Embedded>,
    most_items: usize,
    metrics: Arc<Metrics>,
}

impl LabelSets {
    /// Reads the sets of a folder, which need not exist yet, or of a database that several servers share. A set has at most `most_items` texts and images. `metrics`
    /// counts the decisions of the sets.
    ///
    /// # Errors
    /// A file or row that cannot be read; the error names it.
    pub async fn open(
        folder: PathBuf,
        shared: Option<Database>,
        most_items: usize,
        metrics: Arc<Metrics>,
    ) -> Result<Self, StoreError> {
        let old_versions = LIMITS.old_versions;
        let backing =
            Backing::open::<Definition, Embedded>(folder, shared, "labelset", old_versions);
        Ok(Self {
            store: Store::open(backing.await?, LIMITS).await?,
            most_items,
            metrics,
        })
    }

    /// The set with this name.
    ///
    /// # Errors
    /// [`LabelSetError::Unknown`].
    pub fn get(&self, name: &str) -> Result<Arc<LabelSet>, LabelSetError> {
        let unknown = || LabelSetError::Unknown(name.to_owned());
        self.store.get(name).ok_or_else(unknown)
    }

    /// All sets, sorted by name.
    pub fn all(&self) -> Vec<Arc<LabelSet>> {
        self.store.all()
    }

    /// Checks whether a set with this name and definition can be stored, without embedding it.
    ///
    /// # Errors
    /// [`LabelSetError::BadName`] or [`LabelSetError::Invalid`].
    pub fn check(&self, name: &str, definition: &Definition) -> Result<(), LabelSetError> {
        check_name(name)?;
        definition.check(self.most_items)
    }

    /// Counts the decision of a set about an image. Nothing is counted for a set that was deleted meanwhile, so there are
    /// never more series than sets.
    pub fn count(&self, set: &LabelSet, decided: bool, best_score: f32) {
        let metrics = &self.metrics.labelsets;
        self.store.while_known(&set.name, || {
            metrics.decision(&set.name, decided, best_score);
        });
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
        self.store.check_room(name, &definition)?;
        let embedded = embedding::embed(&definition, model).await?;
        Ok(self.store.put(name, definition, Some(embedded)).await?)
    }

    /// Removes a set.
    ///
    /// # Errors
    /// [`LabelSetError::Unknown`], or an error of the disk.
    pub async fn delete(&self, name: &str) -> Result<(), LabelSetError> {
        let known = self.store.delete(name, self.forget()).await?;
        let unknown = || LabelSetError::Unknown(name.to_owned());
        known.then_some(()).ok_or_else(unknown)
    }

    /// Reads the folder again, so that changes by other processes take effect.
    ///
    /// # Errors
    /// See [`Store::read_again`]; nothing changes then.
    pub async fn read_again(&self) -> Result<Changes, StoreError> {
        self.store.read_again(self.forget()).await
    }

    /// The vectors of a set for this model. The set is embedded if it has none, and they are stored beside those for other
    /// models.
    ///
    /// # Errors
    /// [`LabelSetError`].
    pub async fn embedded_by(
        &self,
        set: &Arc<LabelSet>,
        model: &Model,
    ) -> Result<Arc<Embedded>, LabelSetError> {
        let options = embedding::options_of(&set.definition, model);
        let is_wanted = |embedded: &Embedded| {
            embedded.fingerprint == model.fingerprint() && embedded.image_options == options
        };
        let embed = async {
            tracing::info!(
                labelset = set.name,
                model = model.name(),
                "embedding a label set for another model"
            );
            embedding::embed(&set.definition, model).await
        };
        self.store.computed(set, is_wanted, embed).await
    }

    /// Removes the series of a set.
    fn forget(&self) -> impl Fn(&str) + Send + 'static {
        let metrics = self.metrics.clone();
        move |name| metrics.labelsets.forget(name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn nothing_is_counted_for_a_deleted_set() {
        let folder = tempfile::tempdir().unwrap();
        let metrics = Arc::new(Metrics::new().unwrap());
        let sets = LabelSets::open(folder.path().to_owned(), None, 10, metrics.clone())
            .await
            .unwrap();
        let definition = serde_json::from_str(r#"{"labels": ["good"]}"#).unwrap();
        let (set, _) = sets.store.put("bolts", definition, None).await.unwrap();
        let exposed = || String::from_utf8(metrics.exposition().unwrap()).unwrap();
        sets.count(&set, true, 0.9);
        assert!(exposed().contains(r#"decision="decided",labelset="bolts"} 1"#));
        sets.delete("bolts").await.unwrap();
        // A request may use a set that another request has deleted.
        sets.count(&set, true, 0.9);
        assert!(!exposed().contains("bolts"));
    }
}
