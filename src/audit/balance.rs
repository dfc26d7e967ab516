//! How often each category, image size and aspect ratio occurs.

use std::collections::{BTreeMap, HashMap};

use serde::Serialize;

/// Number of different names or sizes that are counted separately; further ones are counted together.
const MOST_KINDS: usize = 4096;

/// Counts by name.
#[derive(Debug, Clone, Default)]
pub struct Names(BTreeMap<String, u64>);

impl Names {
    pub fn add(&mut self, name: &str) {
        let name = if self.0.len() >= MOST_KINDS && !self.0.contains_key(name) {
            "(further ones)"
        } else {
            name
        };
        *self.0.entry(name.to_owned()).or_default() += 1;
    }

    pub fn counts(&self) -> BTreeMap<String, u64> {
        self.0.clone()
    }
}

/// A size in pixels and how many images have it.
#[derive(Debug, Clone, Serialize)]
pub struct SizeCount {
    pub width: u32,
    pub height: u32,
    pub count: u64,
}

/// Sizes of images.
#[derive(Debug, Clone, Default)]
pub struct Sizes {
    counts: HashMap<(u32, u32), u64>,
    aspects: BTreeMap<&'static str, u64>,
    /// Images with a side shorter than the encoder's input.
    enlarged: u64,
}

/// The report's part on sizes.
#[derive(Debug, Clone, Default, Serialize)]
pub struct SizeReport {
    /// Different sizes, at most 4096.
    pub different: usize,
    /// The most frequent ones.
    pub most_frequent: Vec<SizeCount>,
    /// Width to height, in five classes.
    pub aspects: BTreeMap<&'static str, u64>,
    /// Images smaller than the model's input, which are enlarged.
    pub smaller_than_input: u64,
}

impl Sizes {
    pub fn add(&mut self, (width, height): (u32, u32), input: (usize, usize)) {
        let size = if self.counts.len() >= MOST_KINDS && !self.counts.contains_key(&(width, height))
        {
            (0, 0)
        } else {
            (width, height)
        };
        *self.counts.entry(size).or_default() += 1;
        let aspect = match f64::from(width) / f64::from(height.max(1)) {
            ratio if ratio < 0.5 => "a: taller than 1:2",
            ratio if ratio < 0.95 => "b: upright",
            ratio if ratio <= 1.05 => "c: square",
            ratio if ratio <= 2.0 => "d: lying",
            _ => "e: wider than 2:1",
        };
        *self.aspects.entry(aspect).or_default() += 1;
        let small = (width as usize) < input.0 || (height as usize) < input.1;
        self.enlarged += u64::from(small);
    }

    pub fn report(&self) -> SizeReport {
        let mut all: Vec<_> = self
            .counts
            .iter()
            .map(|(&(width, height), &count)| SizeCount {
                width,
                height,
                count,
            })
            .collect();
        all.sort_by_key(|it| (std::cmp::Reverse(it.count), it.width, it.height));
        all.truncate(10);
        SizeReport {
            different: self.counts.len(),
            most_frequent: all,
            aspects: self.aspects.clone(),
            smaller_than_input: self.enlarged,
        }
    }
}
