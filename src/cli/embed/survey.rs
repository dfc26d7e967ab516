//! The files of an input: their total size, and a digest that identifies the input.

use sha2::{Digest, Sha256};

use crate::dataset::store::Blob;

/// All files of an input, in order, as far as they were added.
#[derive(Debug, Default)]
pub struct Survey {
    digest: Sha256,
    bytes: u64,
}

/// The end of a [`Survey`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Surveyed {
    /// Digest of the names, sizes and versions of all files, in hexadecimal. It does not include the location of the input,
    /// which may be mounted elsewhere the next time.
    pub digest: String,
    /// Size of all files together.
    pub bytes: u64,
}

impl Survey {
    /// Begins a source: the same files have another meaning in another kind of source.
    pub fn source(&mut self, kind: &str) {
        self.part(kind);
    }

    /// Adds a file.
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

/// A digest in hexadecimal.
pub fn hexadecimal(digest: Sha256) -> String {
    let bytes = digest.finalize();
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
