//! A cache of encodings: an inspection line sends the same labels all day, a catalogue the same picture twice.

use std::hash::Hash;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use prometheus::{IntCounter, IntGauge};
use quick_cache::Weighter;
use quick_cache::sync::Cache;

use super::request::Encoding;
use crate::telemetry::Metrics;

/// The key of an image: the SHA-256 of its file's bytes and of its image options.
pub type ImageDigest = [u8; 32];

/// A key, and the bytes of memory that it owns.
pub trait Key: Hash + Eq + Clone {
    fn bytes(&self) -> usize;
}

impl Key for String {
    fn bytes(&self) -> usize {
        self.len()
    }
}

impl Key for ImageDigest {
    fn bytes(&self) -> usize {
        self.len()
    }
}

/// A cache of embeddings with a limit on its bytes.
#[derive(Debug)]
pub struct EmbeddingCache<K: Key> {
    cache: Cache<K, Encoding, Bytes>,
    hits: IntCounter,
    misses: IntCounter,
    /// The sum over the caches of all models.
    bytes: IntGauge,
    /// The part of this cache.
    counted: AtomicI64,
}

/// Weighs an entry by its memory: key, embedding and a share of the table.
#[derive(Debug, Clone)]
struct Bytes;

const TABLE_SHARE: usize = 128;

impl<K: Key> Weighter<K, Encoding> for Bytes {
    fn weight(&self, key: &K, encoding: &Encoding) -> u64 {
        (key.bytes() + encoding.bytes() + TABLE_SHARE) as u64
    }
}

impl EmbeddingCache<String> {
    /// A cache of texts of at most `bytes`; `None` for 0, which turns it off.
    pub fn of_texts(bytes: u64, width: usize, metrics: &Arc<Metrics>) -> Option<Self> {
        let (hits, misses) = (&metrics.text_cache_hits, &metrics.text_cache_misses);
        Self::new(bytes, width, hits, misses, &metrics.text_cache_bytes)
    }
}

impl EmbeddingCache<ImageDigest> {
    /// A cache of images of at most `bytes`; `None` for 0, which turns it off.
    pub fn of_images(bytes: u64, width: usize, metrics: &Arc<Metrics>) -> Option<Self> {
        let (hits, misses) = (&metrics.image_cache_hits, &metrics.image_cache_misses);
        Self::new(bytes, width, hits, misses, &metrics.image_cache_bytes)
    }
}

impl<K: Key> EmbeddingCache<K> {
    fn new(
        bytes: u64,
        width: usize,
        hits: &IntCounter,
        misses: &IntCounter,
        gauge: &IntGauge,
    ) -> Option<Self> {
        // A caption of average length; it only affects the initial size of the table.
        let entry = (64 + 4 * width + TABLE_SHARE) as u64;
        let entries = usize::try_from(bytes / entry)
            .unwrap_or(usize::MAX)
            .clamp(1, 1 << 20);
        (bytes > 0).then(|| Self {
            cache: Cache::with_weighter(entries, bytes, Bytes),
            hits: hits.clone(),
            misses: misses.clone(),
            bytes: gauge.clone(),
            counted: AtomicI64::new(0),
        })
    }

    /// The item's encoding, if it is cached.
    pub fn get<Q>(&self, key: &Q) -> Option<Encoding>
    where
        Q: Hash + quick_cache::Equivalent<K> + ?Sized,
    {
        let found = self.cache.get(key);
        match &found {
            Some(_) => self.hits.inc(),
            None => self.misses.inc(),
        }
        found
    }

    /// Stores an item's encoding; others are evicted if necessary.
    pub fn insert(&self, key: K, encoding: Encoding) {
        self.cache.insert(key, encoding);
        self.count(self.cache.weight() as i64);
    }

    fn count(&self, bytes: i64) {
        let before = self.counted.swap(bytes, Ordering::Relaxed);
        self.bytes.add(bytes - before);
    }
}

impl<K: Key> Drop for EmbeddingCache<K> {
    fn drop(&mut self) {
        self.count(0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tokenize::TokenCount;

    fn encoding() -> Encoding {
        Encoding {
            embedding: vec![0.0; 192].into(),
            patches: None,
            tokens: TokenCount::default(),
            in_low_bits: false,
        }
    }

    #[test]
    fn a_cache_never_exceeds_its_bytes() {
        let metrics = Arc::new(Metrics::new().unwrap());
        let cache = EmbeddingCache::of_texts(100_000, 192, &metrics).unwrap();
        for i in 0..10_000 {
            cache.insert(format!("text {i}"), encoding());
        }
        assert!(cache.cache.weight() <= 100_000);
        assert!(metrics.text_cache_bytes.get() > 50_000);
        cache.insert("again".to_owned(), encoding());
        assert!(cache.get("again").is_some() && cache.get("never").is_none());
        assert_eq!(
            (
                metrics.text_cache_hits.get(),
                metrics.text_cache_misses.get()
            ),
            (1, 1)
        );
        assert!(EmbeddingCache::of_images(0, 192, &metrics).is_none());
    }

    #[test]
    fn the_metric_is_the_sum_of_all_caches() {
        let metrics = Arc::new(Metrics::new().unwrap());
        let [first, second] =
            [(); 2].map(|()| EmbeddingCache::of_texts(100_000, 192, &metrics).unwrap());
        first.insert("a text".to_owned(), encoding());
        second.insert("a text".to_owned(), encoding());
        let both = metrics.text_cache_bytes.get();
        drop(first);
        assert_eq!(metrics.text_cache_bytes.get(), both / 2);
        drop(second);
        assert_eq!(metrics.text_cache_bytes.get(), 0);
    }
}
