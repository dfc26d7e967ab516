//! Images by the hash of their content: the same picture is stored once.

use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use object_store::local::LocalFileSystem;
use object_store::path::Path as Key;
use object_store::{ObjectStore, ObjectStoreExt as _, PutPayload};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::error::ReviewError;

/// A folder of images.
#[derive(Debug, Clone)]
pub struct Images {
    store: Arc<dyn ObjectStore>,
}

/// The SHA-256 of an image, in hexadecimal digits.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
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

    fn key(&self) -> Key {
        // Folders of a few thousand files each.
        let (folder, name) = self.0.split_at(self.0.len().min(2));
        Key::from(format!("{folder}/{name}"))
    }
}

fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

impl Images {
    /// Images in a folder, which is created.
    ///
    /// # Errors
    /// [`ReviewError`].
    pub fn open(folder: &Path) -> Result<Self, ReviewError> {
        std::fs::create_dir_all(folder).map_err(|reason| ReviewError::File {
            path: folder.to_owned(),
            reason,
        })?;
        let store = LocalFileSystem::new_with_prefix(folder)?.with_fsync(true);
        Ok(Self {
            store: Arc::new(store),
        })
    }

    /// Stores an image. It is on disk when this returns.
    ///
    /// # Errors
    /// [`ReviewError`].
    pub async fn put(&self, hash: &ImageHash, image: Bytes) -> Result<(), ReviewError> {
        let key = hash.key();
        match self.store.head(&key).await {
            Ok(known) if known.size == image.len() as u64 => return Ok(()),
            Ok(_) | Err(object_store::Error::NotFound { .. }) => {}
            Err(error) => return Err(error.into()),
        }
        self.store.put(&key, PutPayload::from_bytes(image)).await?;
        Ok(())
    }

    /// Reads an image; `None` if it is not there.
    ///
    /// # Errors
    /// [`ReviewError`].
    pub async fn get(&self, hash: &ImageHash) -> Result<Option<Bytes>, ReviewError> {
        match self.store.get(&hash.key()).await {
            Ok(found) => Ok(Some(found.bytes().await?)),
            Err(object_store::Error::NotFound { .. }) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// Deletes an image, if it is there.
    ///
    /// # Errors
    /// [`ReviewError`].
    pub async fn delete(&self, hash: &ImageHash) -> Result<(), ReviewError> {
        match self.store.delete(&hash.key()).await {
            Ok(()) | Err(object_store::Error::NotFound { .. }) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }
}
