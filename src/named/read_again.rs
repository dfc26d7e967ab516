//! Looks at the folder or the database again, to find entries of another process.

use std::sync::Arc;

use super::{Entry, Storable, Store, StoreError};

/// The changes that were found.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Changes {
    /// New entries.
    pub new: usize,
    /// Changed entries.
    pub changed: usize,
    /// Entries that were removed.
    pub removed: usize,
    /// Number of entries now.
    pub all: usize,
}

impl<D: Storable + PartialEq, E: Storable> Store<D, E> {
    /// Looks again, so that changes by other processes take effect. Unchanged entries keep what was computed.
    /// `removed` is called for each name that is gone.
    ///
    /// # Errors
    /// A file or row that cannot be read, which the error names, or [`StoreError::TooMany`]; nothing changes then.
    pub async fn read_again(
        &self,
        removed: impl Fn(&str) + Send + 'static,
    ) -> Result<Changes, StoreError> {
        let writing = self.writing.clone().lock_owned().await;
        let (backing, entries) = (self.backing.clone(), self.entries.clone());
        let most = self.limits.entries;
        let work = async move {
            let _writing = writing;
            let read = backing.look().await?;
            if read.len() > most {
                backing.forget();
                return Err(StoreError::TooMany(most));
            }
            let mut entries = entries.write();
            let mut before = std::mem::take(&mut *entries);
            let mut found = Changes {
                all: read.len(),
                ..Changes::default()
            };
            for (name, stored) in read {
                let known = before.remove(&name);
                let is_new = known.is_none();
                let same = known.filter(|entry| match &stored {
                    None => true,
                    Some(stored) => {
                        (entry.version, entry.created) == (stored.version, stored.created)
                            && entry.definition == stored.definition
                    }
                });
                found.new += usize::from(is_new);
                found.changed += usize::from(!is_new && same.is_none());
                let read = || Some(Arc::new(Entry::of(name.clone(), stored?)));
                if let Some(entry) = same.or_else(read) {
                    entries.insert(name, entry);
                }
            }
            found.removed = before.len();
            before.keys().for_each(|name| removed(name));
            Ok(found)
        };
        let done = tokio::spawn(work).await;
        done.map_err(std::io::Error::other)?
    }
}
