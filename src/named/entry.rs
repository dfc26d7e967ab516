//! A definition under a name, and what models computed from it.

use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use parking_lot::RwLock;

use super::Storable;
use super::files::Stored;

/// Maximum number of models whose results an entry keeps: those that are being compared, the next version of one during a
/// reload, and those to which one may go back.
const MOST_MODELS: usize = 4;

/// An entry in memory.
#[derive(Debug)]
pub struct Entry<D, E> {
    /// Its name.
    pub name: String,
    /// 1 for the first definition under this name, and one more for each that replaced it; 0 in files of earlier programs.
    pub version: u64,
    /// Time of the PUT of this version, in seconds since 1970.
    pub created: u64,
    /// The definition from the user.
    pub definition: D,
    /// For different models; the one that was used last is the last.
    computed: RwLock<Vec<Arc<E>>>,
    /// Held while something is computed, so that this happens once.
    pub(super) computing: tokio::sync::Mutex<()>,
}

impl<D, E: Storable> Entry<D, E> {
    /// A new entry, or the next version after an old one.
    pub(super) fn new(
        name: &str,
        old_version: Option<u64>,
        definition: D,
        computed: Option<E>,
    ) -> Self {
        let now = SystemTime::now().duration_since(UNIX_EPOCH);
        let stored = Stored {
            definition,
            version: old_version.unwrap_or(0) + 1,
            created: now.map_or(0, |since| since.as_secs()),
            embedded: computed,
            embedded_before: vec![],
        };
        Self::of(name.to_owned(), stored)
    }

    /// What is stored of it; `computed` is what [`Entry::all_computed`] gave.
    pub(super) fn to_store<'a>(&'a self, computed: &'a [Arc<E>]) -> Stored<&'a D, &'a E> {
        let mut computed = computed.iter().map(|one| &**one).collect::<Vec<_>>();
        Stored {
            definition: &self.definition,
            version: self.version,
            created: self.created,
            embedded: computed.pop(),
            embedded_before: computed,
        }
    }

    /// An entry that was read.
    pub(super) fn of(name: String, stored: Stored<D, E>) -> Self {
        let computed = stored.embedded_before.into_iter().chain(stored.embedded);
        let mut computed: Vec<_> = computed.map(Arc::new).collect();
        computed.drain(..computed.len().saturating_sub(MOST_MODELS));
        Self {
            name,
            version: stored.version,
            created: stored.created,
            definition: stored.definition,
            computed: RwLock::new(computed),
            computing: tokio::sync::Mutex::default(),
        }
    }

    /// What was used last, of any model.
    pub fn last_computed(&self) -> Option<Arc<E>> {
        self.computed.read().last().cloned()
    }

    /// The one that is wanted, if there is one.
    pub(super) fn computed(&self, is_wanted: impl Fn(&E) -> bool) -> Option<Arc<E>> {
        let last = self.last_computed()?;
        if is_wanted(&last) {
            return Some(last);
        }
        let mut all = self.computed.write();
        let found = all.iter().position(|one| is_wanted(one))?;
        let found = all.remove(found);
        all.push(found.clone());
        Some(found)
    }

    /// Adds one; those that were not used for longest go, so that all but the new one have at most `room` bytes.
    pub(super) fn add(&self, new: Arc<E>, room: usize) {
        let mut all = self.computed.write();
        while all.len() >= MOST_MODELS || all.iter().map(|one| one.bytes()).sum::<usize>() > room {
            all.remove(0);
        }
        all.push(new);
    }

    /// Bytes for other models than the last one.
    pub(super) fn bytes_of_earlier(&self) -> usize {
        let all = self.computed.read();
        all.iter().rev().skip(1).map(|one| one.bytes()).sum()
    }

    /// All, the one that was used last being the last.
    pub(super) fn all_computed(&self) -> Vec<Arc<E>> {
        self.computed.read().clone()
    }
}
