//! What was learnt of images that came with a request: a client that compares many pictures with the same image sends it each
//! time.

use std::sync::Arc;

use bytes::Bytes;
use quick_cache::sync::Cache;
use sha2::{Digest, Sha256};

use super::definition::{Definition, Photograph};
use super::error::ReferenceError;
use super::learn::learn;
use super::learnt::Learnt;
use crate::engine::{EmbedOptions, Model};
use crate::preprocess::ImageOptions;

/// References that are kept. Each takes some megabytes: see [`super::definition::LEARNT_BYTES`].
const MOST: usize = 16;

/// What a reference depends on: the model's content, how the images are read, and a digest of the images.
type Key = (String, ImageOptions, [u8; 32]);

/// The last references of requests.
#[derive(Debug)]
pub struct Inline(Cache<Key, Arc<Learnt>>);

impl Default for Inline {
    fn default() -> Self {
        Self(Cache::new(MOST))
    }
}

impl Inline {
    /// What a model learns of images.
    ///
    /// # Errors
    /// [`ReferenceError`] with the image, as `images[i]`.
    pub async fn learnt(
        &self,
        images: &[Bytes],
        model: &Arc<Model>,
        options: EmbedOptions,
    ) -> Result<Arc<Learnt>, ReferenceError> {
        let key = key(images, model, options.images);
        if let Some(learnt) = self.0.get(&key) {
            return Ok(learnt);
        }
        let definition = Definition {
            images: images.iter().cloned().map(Photograph).collect(),
            image_options: options.images,
            ..Definition::default()
        };
        let learnt = Arc::new(learn(model, &definition, options).await?);
        self.0.insert(key, learnt.clone());
        Ok(learnt)
    }
}

fn key(images: &[Bytes], model: &Model, options: ImageOptions) -> Key {
    let mut hash = Sha256::new();
    for image in images {
        // Lengths separate images.
        hash.update(image.len().to_le_bytes());
        hash.update(image);
    }
    let fingerprint = model.fingerprint().to_owned();
    (fingerprint, options, hash.finalize().into())
}
