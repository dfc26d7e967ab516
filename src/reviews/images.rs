//! Images by the hash of their content: the same picture is stored once, in a folder or in a bucket of an object store.

use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use object_store::local::LocalFileSystem;
use object_store::path::Path as Key;
use object_store::{ObjectStore, ObjectStoreExt as _, PutPayload};

use super::error::ReviewError;
use super::image_hash::ImageHash;
use crate::dataset::store::{Bucket, Place};

/// Where images are.
#[derive(Debug, Clone)]
pub(super) struct Images {
    store: Arc<dyn ObjectStore>,
    bucket: Option<InBucket>,
}

#[derive(Debug, Clone)]
struct InBucket {
    bucket: Arc<Bucket>,
    /// Prefix of the keys.
    prefix: Key,
    /// Images that wait on disk until the bucket takes them.
    waiting: Arc<LocalFileSystem>,
}

impl Images {
    /// Images in a place. In a folder that is created, or in a bucket; then those that the bucket does not take wait in the
    /// folder.
    ///
    /// # Errors
    /// [`ReviewError`].
    pub fn open(place: Option<&Place>, folder: &Path) -> Result<Self, ReviewError> {
        let (bucket, folder) = match place {
            Some(Place::Bucket(bucket, prefix)) => (Some((bucket, prefix)), folder),
            Some(Place::Local(folder)) => (None, folder.as_path()),
            None => (None, folder),
        };
        let local = Arc::new(in_folder(folder)?);
        Ok(match bucket {
            Some((bucket, prefix)) => Self {
                store: bucket.object_store(),
                bucket: Some(InBucket {
                    bucket: bucket.clone(),
                    prefix: prefix.clone(),
                    waiting: local,
                }),
            },
            None => Self {
                store: local,
                bucket: None,
            },
        })
    }

    /// Whether they are in an object store, which may be away while the disk is there.
    pub fn are_in_bucket(&self) -> bool {
        self.bucket.is_some()
    }

    /// Asks the place for its first image, to find wrong settings before the first inspection.
    ///
    /// # Errors
    /// [`ReviewError`].
    pub async fn check(&self) -> Result<(), ReviewError> {
        let Some(InBucket { prefix, .. }) = &self.bucket else {
            return Ok(());
        };
        let first = self.store.list_with_delimiter(Some(prefix)).await;
        first.map(drop).map_err(|error| self.failed(&error, prefix))
    }

    /// Stores an image. It is on disk, or in the bucket, when this returns.
    ///
    /// # Errors
    /// [`ReviewError`].
    pub async fn put(&self, hash: &ImageHash, image: Bytes) -> Result<(), ReviewError> {
        let key = self.key(hash);
        let known = match self.store.head(&key).await {
            Ok(known) => known.size == image.len() as u64,
            Err(object_store::Error::NotFound { .. }) => false,
            Err(error) => return Err(self.failed(&error, &key)),
        };
        if known {
            return Ok(());
        }
        let stored = self.store.put(&key, PutPayload::from_bytes(image)).await;
        stored.map(drop).map_err(|error| self.failed(&error, &key))
    }

    /// Keeps an image on disk until [`Self::take_waiting`] stores it. Only for images in a bucket.
    ///
    /// # Errors
    /// [`ReviewError`].
    pub async fn put_waiting(&self, hash: &ImageHash, image: Bytes) -> Result<(), ReviewError> {
        if let Some(InBucket { waiting, .. }) = &self.bucket {
            let payload = PutPayload::from_bytes(image);
            waiting.put(&hash.key(), payload).await?;
        }
        Ok(())
    }

    /// Stores an image in the bucket that waits on disk, if it does.
    ///
    /// # Errors
    /// [`ReviewError`].
    pub async fn take_waiting(&self, hash: &ImageHash) -> Result<(), ReviewError> {
        let Some(InBucket { waiting, .. }) = &self.bucket else {
            return Ok(());
        };
        if let Some(image) = read(waiting, &hash.key()).await? {
            self.put(hash, image).await?;
            delete(waiting, &hash.key()).await?;
        }
        Ok(())
    }

    /// Reads an image; `None` if it is not there.
    ///
    /// # Errors
    /// [`ReviewError`].
    pub async fn get(&self, hash: &ImageHash) -> Result<Option<Bytes>, ReviewError> {
        if let Some(InBucket { waiting, .. }) = &self.bucket
            && let Some(image) = read(waiting, &hash.key()).await?
        {
            return Ok(Some(image));
        }
        let key = self.key(hash);
        let found = read(&*self.store, &key).await;
        found.map_err(|error| self.failed(&error, &key))
    }

    /// Deletes an image, if it is there.
    ///
    /// # Errors
    /// [`ReviewError`].
    pub async fn delete(&self, hash: &ImageHash) -> Result<(), ReviewError> {
        if let Some(InBucket { waiting, .. }) = &self.bucket {
            delete(waiting, &hash.key()).await?;
        }
        let key = self.key(hash);
        let deleted = delete(&*self.store, &key).await;
        deleted.map_err(|error| self.failed(&error, &key))
    }

    fn key(&self, hash: &ImageHash) -> Key {
        match &self.bucket {
            Some(InBucket { prefix, .. }) => prefix.parts().chain(hash.key().parts()).collect(),
            None => hash.key(),
        }
    }

    fn failed(&self, error: &object_store::Error, key: &Key) -> ReviewError {
        match &self.bucket {
            Some(InBucket { bucket, .. }) => ReviewError::Bucket(bucket.failed(error, key)),
            None => ReviewError::Images(error.to_string()),
        }
    }
}

fn in_folder(folder: &Path) -> Result<LocalFileSystem, ReviewError> {
    std::fs::create_dir_all(folder).map_err(|reason| ReviewError::File {
        path: folder.to_owned(),
        reason,
    })?;
    Ok(LocalFileSystem::new_with_prefix(folder)?.with_fsync(true))
}

async fn read(store: &dyn ObjectStore, key: &Key) -> Result<Option<Bytes>, object_store::Error> {
    match store.get(key).await {
        Ok(found) => Ok(Some(found.bytes().await?)),
        Err(object_store::Error::NotFound { .. }) => Ok(None),
        Err(error) => Err(error),
    }
}

async fn delete(store: &dyn ObjectStore, key: &Key) -> Result<(), object_store::Error> {
    match store.delete(key).await {
        Ok(()) | Err(object_store::Error::NotFound { .. }) => Ok(()),
        Err(error) => Err(error),
    }
}
