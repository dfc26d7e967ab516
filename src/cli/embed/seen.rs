//! Which items are in the output already, and which this run has seen: all that is kept of an item once it is embedded.
//!
//! An item is remembered by 127 bits of a SHA-256: 20 to 40 bytes each, so a hundred million items take 2 to 4 GB where
//! their ids would take several times that. Two items are taken for one with a chance of less than 1 in 10^21 then.

use std::collections::HashSet;

use sha2::{Digest, Sha256};

use super::item::Kind;

/// The last bit of a fingerprint: this run has seen the item.
const SEEN: u128 = 1;

/// The items of the output and of this run.
#[derive(Debug, Default)]
pub struct SeenItems(HashSet<u128>);

/// What is known of an item that a source has found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Seen {
    /// It is to be embedded.
    New,
    /// An earlier run embedded it.
    Done,
    /// This run has seen an item of this kind and id before.
    Again,
}

impl SeenItems {
    /// Notes an item of the output; false if it was noted before.
    pub fn note_done(&mut self, kind: Kind, id: &str) -> bool {
        self.0.insert(fingerprint(kind, id))
    }

    /// Notes an item of this run, and says what was known of it.
    pub fn see(&mut self, kind: Kind, id: &str) -> Seen {
        let done = fingerprint(kind, id);
        // One entry an item: that of an earlier run becomes one of this run.
        let was_done = self.0.remove(&done);
        match (self.0.insert(done | SEEN), was_done) {
            (false, _) => Seen::Again,
            (true, true) => Seen::Done,
            (true, false) => Seen::New,
        }
    }

    /// How many items are known.
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
