//! The caches of a model, for texts and for images.
//!
//! A text is its own key, so that a cached one needs no place in the queue. The key of an image is computed from its bytes,
//! which is work for the CPU pool.

use std::sync::Arc;

use sha2::{Digest, Sha256};

use super::embedding_cache::{EmbeddingCache, ImageDigest};
use super::request::{Encoding, Item};
use super::settings::EngineSettings;
use crate::preprocess::{ImageOptions, ValueBits};
use crate::telemetry::Metrics;

/// Both caches; each may be off.
#[derive(Debug)]
pub struct Caches {
    texts: Option<EmbeddingCache<String>>,
    images: Option<EmbeddingCache<ImageDigest>>,
}

/// The place of an item that is not cached.
#[derive(Debug)]
pub enum CacheKey {
    Text(String),
    Image(ImageDigest),
    /// The item is not cached: its cache is off, or the client prepared it.
    None,
}

impl Caches {
    /// Empty caches for embeddings of this width.
    pub fn new(settings: &EngineSettings, width: usize, metrics: &Arc<Metrics>) -> Self {
        Self {
            texts: EmbeddingCache::of_texts(settings.text_cache_bytes, width, metrics),
            images: EmbeddingCache::of_images(settings.image_cache_bytes, width, metrics),
        }
    }

    /// The encoding of a text, if it is cached. A text that would be truncated is not a hit for a request that refuses
    /// truncation.
    pub fn text(&self, item: &Item, truncate: bool) -> Option<Encoding> {
        let Item::Text(text) = item else { return None };
        let found = self.texts.as_ref()?.get(text.as_str());
        found.filter(|found| truncate || found.tokens.truncated == 0)
    }

    /// The key of a text that is not cached.
    pub fn key_of_text(&self, text: String) -> CacheKey {
        match &self.texts {
            Some(_) => CacheKey::Text(text),
            None => CacheKey::None,
        }
    }

    /// The encoding of an image file that is read with these options, or the key for it.
    pub fn image(&self, bytes: &[u8], options: ImageOptions) -> Result<Encoding, CacheKey> {
        let cache = self.images.as_ref().ok_or(CacheKey::None)?;
        let digest = digest(bytes, options);
        cache.get(&digest).ok_or(CacheKey::Image(digest))
    }

    /// Stores what an encoder computed.
    pub fn insert(&self, key: CacheKey, encoding: &Encoding) {
        match (key, &self.texts, &self.images) {
            (CacheKey::Text(text), Some(texts), _) => texts.insert(text, encoding.clone()),
            (CacheKey::Image(image), _, Some(images)) => images.insert(image, encoding.clone()),
            _ => {}
        }
    }
}

/// The digest of an image file that is read with these options.
fn digest(bytes: &[u8], options: ImageOptions) -> ImageDigest {
    let mut hash = Sha256::new_with_prefix(bytes);
    // Always three bytes, so that another file with other options cannot give the same digest.
    hash.update([
        options.value_bits.map_or(0, ValueBits::get),
        options.exif_orientation.map_or(2, u8::from),
        options.alpha.map_or(u8::MAX, |alpha| alpha as u8),
    ]);
    hash.finalize().into()
}
