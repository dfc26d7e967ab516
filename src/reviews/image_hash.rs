//! What an image is stored by.

use object_store::path::Path as Key;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// The SHA-256 of an image, in hexadecimal digits.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ImageHash(String);

impl ImageHash {
    /// Of an image file.
    pub fn of(image: &[u8]) -> Self {
        Self(hexadecimal(&Sha256::digest(image)))
    }

    /// Of all images of a part, in order.
    pub fn of_all(images: &[Self]) -> String {
        let mut digest = Sha256::new();
        for image in images {
            digest.update(image.0.as_bytes());
        }
        hexadecimal(&digest.finalize())
    }

    pub(super) fn stored(text: String) -> Self {
        Self(text)
    }

    /// The digits.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The key of the image in its folder.
    pub(super) fn key(&self) -> Key {
        // Folders of a few thousand files each.
        let (folder, name) = self.0.split_at(self.0.len().min(2));
        Key::from(format!("{folder}/{name}"))
    }
}

fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
