//! Reads the folder again, to find label sets of another process.

use std::sync::{Arc, PoisonError};

use super::{LabelSet, LabelSetError, LabelSets, MOST_SETS};

/// The changes found in the folder.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Changes {
    /// New sets.
    pub new: usize,
    /// Changed sets.
    pub changed: usize,
    /// Sets whose files were removed.
    pub removed: usize,
    /// Number of sets now.
    pub all: usize,
}

impl LabelSets {
    /// Reads the folder again, so that changes by other processes take effect. Unchanged sets keep their vectors.
    ///
    /// # Errors
    /// A file that cannot be read, which the error names, or too many files; nothing changes then.
    pub async fn read_again(&self) -> std::io::Result<Changes> {
        let writing = self.writing.clone().lock_owned().await;
        let (store, sets, metrics) = (self.store.clone(), self.sets.clone(), self.metrics.clone());
        let work = move || {
            let _writing = writing;
            let read = store.read_all()?;
            if read.len() > MOST_SETS {
                return Err(std::io::Error::other(LabelSetError::TooMany));
            }
            let mut sets = sets.write().unwrap_or_else(PoisonError::into_inner);
            let mut before = std::mem::take(&mut *sets);
            let mut found = Changes {
                all: read.len(),
                ..Changes::default()
            };
            for (name, stored) in read {
                let known = before.remove(&name);
                let is_new = known.is_none();
                let same = known.filter(|set| {
                    set.created == stored.created && set.definition == stored.definition
                });
                found.new += usize::from(is_new);
                found.changed += usize::from(!is_new && same.is_none());
                let set = same.unwrap_or_else(|| Arc::new(LabelSet::new(name.clone(), stored)));
                sets.insert(name, set);
            }
            found.removed = before.len();
            for name in before.keys() {
                metrics.labelsets.forget(name);
            }
            Ok(found)
        };
        let done = tokio::task::spawn_blocking(work).await;
        done.map_err(std::io::Error::other)?
    }
}
