//! The items of the output and of this run, by fingerprint. Nothing else is stored of an embedded item.
//!
//! A fingerprint is 127 bits of a SHA-256. Each takes 20 to 40 bytes, so a hundred million items take 2 to 4 GB; their ids
//! would take several times that. The chance that two of them collide is less than 1 in 10^21.

use std::collections::HashSet;

use sha2::{Digest, Sha256};

use super::item::Kind;

/// The last bit of a fingerprint: whether this run has seen the item.
const SEEN: u128 = 1;

/// The items of the output and of this run.
#[derive(Debug, Default)]
pub struct SeenItems(HashSet<u128>);

/// The state of an item that a source has found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ItemState {
    /// It must be embedded.
    New,
    /// An earlier run embedded it.
    Done,
    /// This run has seen an item of this kind and id before.
    Again,
}

impl SeenItems {
    /// Adds an item of the output; false if it was added before.
    pub fn note_done(&mut self, kind: Kind, id: &str) -> bool {
        self.0.insert(fingerprint(kind, id))
    }

    /// Adds an item of this run, and returns its previous state.
    pub fn see(&mut self, kind: Kind, id: &str) -> ItemState {
        let done = fingerprint(kind, id);
        // One entry per item: an entry of an earlier run becomes one of this run.
        let was_done = self.0.remove(&done);
        match (self.0.insert(done | SEEN), was_done) {
            (false, _) => ItemState::Again,
            (true, true) => ItemState::Done,
            (true, false) => ItemState::New,
        }
    }

    /// Number of known items.
    pub fn len(&self) -> usize {
        self.0.len()
    }
}

fn fingerprint(kind: Kind, id: &str) -> u128 {
    let mut digest = Sha256::new();
    digest.update(kind.name());
    digest.update(":");
    digest.update(id);
    let bytes = digest.finalize();
    let folded = bytes
        .iter()
        .take(16)
        .fold(0, |number: u128, byte| (number << 8) | u128::from(*byte));
    folded & !SEEN
}
