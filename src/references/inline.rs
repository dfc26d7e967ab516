//! What was learnt of images that came with a request: a client that compares many pictures with the same image sends it each
//! time.

use std::sync::Arc;

use quick_cache::Weighter;
use quick_cache::sync::Cache;
use sha2::{Digest, Sha256};

use super::definition::{Definition, LEARNT_BYTES};
use super::error::ReferenceError;
use super::learn::learn;
use super::learnt::Learnt;
use crate::engine::{EmbedOptions, Model};
use crate::named::Storable;
use crate::preprocess::ImageOptions;

/// References of the usual number of pixels that are kept; fewer of those that have more.
const MOST: usize = 16;

/// What a reference depends on: the model's content, how the images are read, and a digest of the images and of what is
/// looked at in them.
type Key = (String, ImageOptions, [u8; 32]);

/// The last references of requests.
#[derive(Debug)]
pub struct Inline(Cache<Key, Arc<Learnt>, Bytes>);

/// Counts the bytes of what was learnt.
#[derive(Debug, Clone)]
struct Bytes;

impl Weighter<Key, Arc<Learnt>> for Bytes {
    fn weight(&self, _: &Key, learnt: &Arc<Learnt>) -> u64 {
        learnt.bytes() as u64
    }
}

impl Default for Inline {
    fn default() -> Self {
        Self(Cache::with_weighter(
            MOST,
            (MOST * LEARNT_BYTES) as u64,
            Bytes,
        ))
    }
}

impl Inline {
    /// What a model learns of images.
    ///
    /// # Errors
    /// [`ReferenceError`] with the image, as `images[i]`.
    pub async fn learnt(
        &self,
        definition: Definition,
        model: &Arc<Model>,
        options: EmbedOptions,
    ) -> Result<Arc<Learnt>, ReferenceError> {
        let key = key(&definition, model);
        if let Some(learnt) = self.0.get(&key) {
            return Ok(learnt);
        }
        let learnt = Arc::new(learn(model, &definition, options).await?);
        self.0.insert(key, learnt.clone());
        Ok(learnt)
    }
}

fn key(definition: &Definition, model: &Model) -> Key {
    let places = &definition.places;
    let mut hash = Sha256::new();
    for image in definition.images.iter().chain(&places.mask) {
        // Lengths separate images.
        hash.update(image.0.len().to_le_bytes());
        hash.update(&image.0);
    }
    let (has_mask, resolution) = (places.mask.is_some(), definition.resolution);
    let how = format!(
        "{has_mask} {resolution:?} {:?} {:?}",
        places.regions, places.ignore
    );
    hash.update(how);
    let fingerprint = model.fingerprint().to_owned();
    (
        fingerprint,
        definition.image_options,
        hash.finalize().into(),
    )
}
