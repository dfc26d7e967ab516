//! What an input consists of: how large it is, and a digest that tells it from another one.

use sha2::{Digest, Sha256};

use crate::dataset::store::Blob;

/// All files of an input, in their order, as far as they have been looked at.
#[derive(Debug, Default)]
pub struct Survey {
    digest: Sha256,
    bytes: u64,
}

/// The end of a [`Survey`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Surveyed {
    /// Of the names, sizes and versions of all files, in hexadecimal digits. Not of where the input lies: that may be mounted
    /// elsewhere the next time.
    pub digest: String,
    /// Of all files together.
    pub bytes: u64,
}

impl Survey {
    /// Begins a source: the same files mean something else in another kind of source.
    pub fn source(&mut self, kind: &str) {
        self.part(kind);
    }

    /// Looks at a file.
    pub fn file(&mut self, blob: &Blob) {
        self.part(&blob.name);
        self.part(&blob.size.to_string());
        self.part(&blob.version);
        self.bytes = self.bytes.saturating_add(blob.size);
    }

    pub fn end(self) -> Surveyed {
        Surveyed {
            digest: hexadecimal(self.digest),
            bytes: self.bytes,
        }
    }

    fn part(&mut self, part: &str) {
        self.digest.update((part.len() as u64).to_le_bytes());
        self.digest.update(part);
    }
}

/// A digest as it is written.
pub fn hexadecimal(digest: Sha256) -> String {
    let bytes = digest.finalize();
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
