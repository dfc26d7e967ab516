//! Text embeddings that were computed before: an inspection line sends the same labels all day.

use std::sync::Arc;

use quick_cache::Weighter;
use quick_cache::sync::Cache;

use super::Embedding;
use crate::telemetry::Metrics;

/// What is kept of a text.
#[derive(Debug, Clone)]
pub struct CachedText {
    pub embedding: Embedding,
    pub tokens: usize,
    pub truncated: usize,
}

/// A cache that is bounded by the bytes it holds.
#[derive(Debug)]
pub struct TextCache {
    cache: Cache<String, CachedText, Bytes>,
    metrics: Arc<Metrics>,
}

/// Counts an entry by what it takes: text, embedding and a share of the table.
#[derive(Debug, Clone)]
struct Bytes;

const TABLE_SHARE: usize = 128;

impl Weighter<String, CachedText> for Bytes {
    fn weight(&self, text: &String, cached: &CachedText) -> u64 {
        (text.len() + size_of_val::<[f32]>(&cached.embedding) + TABLE_SHARE) as u64
    }
}

impl TextCache {
    /// A cache of at most `bytes`; `None` for 0, which switches it off.
    pub fn new(bytes: u64, width: usize, metrics: Arc<Metrics>) -> Option<Self> {
        // A caption of average length; only the table's first size depends on it.
        let entry = (64 + 4 * width + TABLE_SHARE) as u64;
        let entries = usize::try_from(bytes / entry)
            .unwrap_or(usize::MAX)
            .clamp(1, 1 << 20);
        (bytes > 0).then(|| Self {
            cache: Cache::with_weighter(entries, bytes, Bytes),
            metrics,
        })
    }

    /// The text's embedding, if it is there.
    pub fn get(&self, text: &str) -> Option<CachedText> {
        let found = self.cache.get(text);
        match &found {
            Some(_) => self.metrics.text_cache_hits.inc(),
            None => self.metrics.text_cache_misses.inc(),
        }
        found
    }

    /// Keeps a text's embedding, in the place of others if need be.
    pub fn insert(&self, text: String, cached: CachedText) {
        self.cache.insert(text, cached);
        self.metrics
            .text_cache_bytes
            .set(self.cache.weight() as i64);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cached() -> CachedText {
        CachedText {
            embedding: vec![0.0; 192].into(),
            tokens: 5,
            truncated: 0,
        }
    }

    #[test]
    fn it_never_holds_more_than_its_bytes() {
        let metrics = Arc::new(Metrics::new().unwrap());
        let cache = TextCache::new(100_000, 192, metrics.clone()).unwrap();
        for i in 0..10_000 {
            cache.insert(format!("text {i}"), cached());
        }
        assert!(cache.cache.weight() <= 100_000);
        assert!(metrics.text_cache_bytes.get() > 50_000);
        cache.insert("again".to_owned(), cached());
        assert!(cache.get("again").is_some() && cache.get("never").is_none());
        assert_eq!(
            (
                metrics.text_cache_hits.get(),
                metrics.text_cache_misses.get()
            ),
            (1, 1)
        );
        assert!(TextCache::new(0, 192, metrics).is_none());
    }
}
