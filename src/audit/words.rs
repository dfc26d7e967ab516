//! Words and captions that occur too often. If a caption reveals its side, the model learns nothing about the picture from
//! it.

use std::collections::HashMap;

use serde::Serialize;

use super::edit_type::only_in;

/// Number of words that are counted; later ones are ignored. A data set of millions of pairs has fewer.
const MOST_WORDS: usize = 200_000;
/// Number of repeated captions whose text is stored.
const MOST_TEXTS: usize = 100_000;

/// A word in one caption of a pair that is missing in the other.
#[derive(Debug, Clone, Serialize)]
pub struct OneSided {
    pub word: String,
    /// Number of pairs in which only the source caption has it.
    pub source_only: u64,
    /// Number of pairs in which only the target caption has it.
    pub target_only: u64,
}

/// Counts of words on one side.
#[derive(Debug, Default)]
pub struct Sides(HashMap<String, (u64, u64)>);

impl Sides {
    pub fn add(&mut self, source: &str, target: &str) {
        for (mut words, is_target) in [
            (only_in(source, target), false),
            (only_in(target, source), true),
        ] {
            words.sort_unstable();
            words.dedup();
            for word in words {
                if self.0.len() >= MOST_WORDS && !self.0.contains_key(&word) {
                    continue;
                }
                let counts = self.0.entry(word).or_default();
                if is_target {
                    counts.1 += 1;
                } else {
                    counts.0 += 1;
                }
            }
        }
    }

    /// Number of words on one side only.
    pub fn len(&self) -> u64 {
        self.0.len() as u64
    }

    /// Words that are on one side far more often than on the other: in at least 1 % of the pairs, at least three times as
    /// often, and by more than four standard deviations of a fair coin. The most frequent first.
    pub fn lopsided(&self, pairs: u64) -> Vec<OneSided> {
        let mut found: Vec<_> = self
            .0
            .iter()
            .filter(|(_, (source, target))| {
                let (more, less) = (source.max(target), source.min(target));
                let gap = (more - less) as f64;
                more * 100 >= pairs
                    && *more >= 3 * less
                    && gap > 4.0 * ((more + less) as f64).sqrt()
            })
            .map(|(word, (source, target))| OneSided {
                word: word.clone(),
                source_only: *source,
                target_only: *target,
            })
            .collect();
        found.sort_by(|a, b| {
            let gap = |it: &OneSided| it.source_only.abs_diff(it.target_only);
            gap(b).cmp(&gap(a)).then(a.word.cmp(&b.word))
        });
        found
    }
}

/// A caption that occurs more than once.
#[derive(Debug, Clone, Serialize)]
pub struct Frequent {
    pub caption: String,
    pub count: u64,
}

/// Captions that occurred more than once.
#[derive(Debug, Default)]
pub struct Repeated(HashMap<u128, Frequent>);

impl Repeated {
    /// Records that a caption occurred for the `count`th time.
    pub fn note(&mut self, hash: u128, caption: &str, count: u64) {
        if self.0.len() >= MOST_TEXTS && !self.0.contains_key(&hash) {
            return;
        }
        let known = self.0.entry(hash).or_insert_with(|| Frequent {
            caption: shortened(caption),
            count,
        });
        known.count = count;
    }

    pub fn most(&self, n: usize) -> Vec<Frequent> {
        let mut all: Vec<_> = self.0.values().collect();
        all.sort_by(|a, b| b.count.cmp(&a.count).then(a.caption.cmp(&b.caption)));
        all.into_iter().take(n).cloned().collect()
    }
}

/// A caption, cut to the length that a report shows.
pub fn shortened(caption: &str) -> String {
    match caption.char_indices().nth(120) {
        Some((end, _)) => format!("{}…", caption.get(..end).unwrap_or_default()),
        None => caption.to_owned(),
    }
}
