//! The stored information about a data set, and the findings in it.

use std::collections::{BTreeMap, HashMap};

use anyhow::Context;

use super::balance::{Names, Sizes};
use super::edit_type::edit_type;
use super::findings::{Check, Example, Finding};
use super::lengths::Lengths;
use super::measure::{Measured, MeasuredImage, MeasuredText, hash};
use super::quality::Ranges;
use super::record::{LeftOut, Place, Problem, side_name};
use super::spread::Spread;
use super::vectors::Vectors;
use super::words::{Repeated, Sides, shortened};
use crate::matching::cosine as similarity;

/// The thresholds.
#[derive(Debug, Clone, Copy)]
pub struct Settings {
    /// Cosine from which images of two records are near duplicates.
    pub near: f32,
    /// Cosine from which the two images of a pair count as unchanged.
    pub unchanged: f32,
    /// Minimum by which the swapped captions of a pair must score higher, as a sum of two cosines.
    pub swap_margin: f32,
    /// Width and height of the encoder's input, in pixels.
    pub input: (usize, usize),
}

/// The images of a set, in input order.
#[derive(Debug, Default)]
pub struct Images {
    pub vectors: Vectors,
    pub bytes: Vec<u128>,
    pub pixels: Vec<u128>,
    /// Whether the training set has an image with the same bytes or pixels.
    pub leaked: Vec<bool>,
    /// Record number of each image, times two, plus its side.
    owners: Vec<u32>,
    by_bytes: HashMap<u128, u32>,
    by_pixels: HashMap<u128, u32>,
}

/// A data set.
#[derive(Debug)]
pub struct Set {
    pub settings: Settings,
    pub images: Images,
    pub findings: BTreeMap<Check, Finding>,
    places: Vec<Place>,
    sides_of: Vec<u8>,
    pub pairs: u64,
    /// Number of files, images and captions that were checked.
    pub things: u64,
    /// By hash: the first record, and the number of occurrences.
    captions: HashMap<u128, (u32, u64)>,
    pub caption_count: u64,
    pub repeated: Repeated,
    pub sides: Sides,
    pub short: Lengths,
    pub long: Lengths,
    pub categories: Names,
    pub by_rule: Names,
    pub sizes: Sizes,
    /// Number of pairs whose sides differ in size.
    pub resized: u64,
    pub quality: Ranges,
    pub pair_cosines: Vec<f32>,
    pub swap_margins: Vec<f32>,
    /// For each image the cosine to the nearest image of another record (for `against`: of the training set).
    pub nearest_other: Option<Spread>,
}

impl Set {
    /// An empty set for embeddings of the given width.
    pub fn new(settings: Settings, width: usize) -> Self {
        Self {
            settings,
            images: Images {
                vectors: Vectors::new(width),
                ..Images::default()
            },
            findings: BTreeMap::new(),
            places: Vec::new(),
            sides_of: Vec::new(),
            pairs: 0,
            things: 0,
            captions: HashMap::new(),
            caption_count: 0,
            repeated: Repeated::default(),
            sides: Sides::default(),
            short: Lengths::default(),
            long: Lengths::default(),
            categories: Names::default(),
            by_rule: Names::default(),
            sizes: Sizes::default(),
            resized: 0,
            quality: Ranges::default(),
            pair_cosines: Vec::new(),
            swap_margins: Vec::new(),
            nearest_other: None,
        }
    }

    /// Number of records.
    pub fn records(&self) -> usize {
        self.places.len()
    }

    /// Whether the set contains anything usable.
    pub fn is_empty(&self) -> bool {
        self.images.bytes.is_empty() && self.caption_count == 0
    }

    pub(super) fn record_of(&self, image: usize) -> Option<u32> {
        self.images.owners.get(image).map(|owner| owner / 2)
    }

    /// The image of the other side of a pair.
    pub(super) fn mate(&self, image: usize) -> Option<usize> {
        let record = self.record_of(image);
        let neighbours = [image.checked_add(1), image.checked_sub(1)];
        neighbours
            .into_iter()
            .flatten()
            .find(|other| self.record_of(*other) == record)
    }

    pub(super) fn image_name(&self, image: usize) -> String {
        let owner = self.images.owners.get(image);
        owner.map_or_else(String::new, |owner| self.owner_name(*owner))
    }

    fn owner_name(&self, owner: u32) -> String {
        let (record, side) = ((owner / 2) as usize, (owner % 2) as usize);
        let sides = usize::from(self.sides_of.get(record).copied().unwrap_or(1));
        format!("{}{}", self.record_name(record), side_name(sides, side))
    }

    fn record_name(&self, record: usize) -> String {
        let place = self.places.get(record);
        place.map_or_else(String::new, ToString::to_string)
    }

    fn note(&mut self, check: Check, kinds: &[&'static str], example: impl FnOnce() -> Example) {
        self.findings.entry(check).or_default().note(kinds, example);
    }

    /// Records something that cannot be used.
    pub fn broken(&mut self, at: &str, problem: Problem) {
        self.things += 1;
        self.note_problem(at.to_owned(), problem);
    }

    /// Records something that training does not read.
    pub fn left_out(&mut self, at: String, why: LeftOut) {
        self.note(Check::LeftOut, &[why.name()], || Example {
            at,
            ..Example::default()
        });
    }

    fn note_problem(&mut self, at: String, problem: Problem) {
        self.note(Check::Broken, &[problem.fault.name()], || Example {
            at,
            note: problem.reason,
            ..Example::default()
        });
    }

    /// Adds a record. What also occurs in `train` is recorded as leaked.
    ///
    /// # Errors
    /// If there are more records than can be counted.
    pub fn add(&mut self, measured: Measured, train: Option<&Self>) -> anyhow::Result<()> {
        let record = u32::try_from(self.places.len())
            .ok()
            .filter(|record| *record < u32::MAX / 2)
            .context("an audit takes at most 2,000 million records; use --limit")?;
        let at = measured.place.to_string();
        let count = measured.sides.len();
        self.places.push(measured.place.clone());
        self.sides_of.push(u8::try_from(count).unwrap_or(u8::MAX));
        self.things += 2 * count as u64;
        for (side, problem) in &measured.problems {
            self.note_problem(format!("{at}{side}"), problem.clone());
        }
        for (i, side) in measured.sides.iter().enumerate() {
            let name = side_name(count, i);
            if let Some(image) = &side.image {
                self.add_image(image, record * 2 + i as u32, train);
            }
            if let Some(caption) = &side.caption {
                self.add_caption(caption, record, &format!("{at}{name}"), train);
            }
            if let Some(long) = &side.long {
                self.things += 1;
                self.long.add(long.tokens, long.lost);
                self.note_cut(long, &format!("{at}{name} long"));
            }
        }
        if count == 2 {
            self.add_pair(&measured, &at);
        } else if let Some(category) = &measured.category {
            self.categories.add(category);
        }
        Ok(())
    }

    fn add_image(&mut self, image: &MeasuredImage, owner: u32, train: Option<&Self>) {
        self.sizes.add(image.size, self.settings.input);
        let first = self.images.by_bytes.get(&image.bytes).copied();
        match first {
            None => {
                self.images.by_bytes.insert(image.bytes, owner);
            }
            // Two equal sides of a pair: that is an unchanged image.
            Some(first) if first / 2 == owner / 2 => {}
            Some(first) => {
                let (at, other) = (self.owner_name(owner), self.owner_name(first));
                self.note(Check::Duplicates, &["same_bytes"], || Example {
                    at,
                    other: Some(other),
                    ..Example::default()
                });
            }
        }
        self.images.by_pixels.entry(image.pixels).or_insert(owner);
        let in_train = train.and_then(|train| {
            let by_bytes = train.images.by_bytes.get(&image.bytes);
            let by_pixels = train.images.by_pixels.get(&image.pixels);
            let known = by_bytes.map(|owner| ("same_bytes", *owner));
            let known = known.or(by_pixels.map(|owner| ("same_pixels", *owner)));
            known.map(|(kind, owner)| (kind, train.owner_name(owner)))
        });
        self.images.leaked.push(in_train.is_some());
        if let Some((kind, other)) = in_train {
            let at = self.owner_name(owner);
            self.note(Check::Leak, &[kind], || Example {
                at,
                other: Some(other),
                ..Example::default()
            });
        }
        self.images.owners.push(owner);
        self.images.bytes.push(image.bytes);
        self.images.pixels.push(image.pixels);
        self.images.vectors.push(&image.embedding);
    }

    fn add_caption(&mut self, caption: &MeasuredText, record: u32, at: &str, train: Option<&Self>) {
        self.caption_count += 1;
        self.short.add(caption.tokens, caption.lost);
        self.note_cut(caption, at);
        // Differences in capitals and spaces do not make a different caption.
        let words: Vec<_> = caption.text.split_whitespace().collect();
        let key = hash(words.join(" ").to_lowercase().as_bytes());
        let example = |other: String| Example {
            at: at.to_owned(),
            other: Some(other),
            note: shortened(&caption.text),
            ..Example::default()
        };
        let (first, count) = self
            .captions
            .entry(key)
            .and_modify(|known| known.1 += 1)
            .or_insert((record, 1));
        let (first, count) = (*first, *count);
        if count > 1 {
            self.repeated.note(key, &caption.text, count);
        }
        if first != record {
            let other = self.record_name(first as usize);
            self.note(Check::DuplicateCaptions, &[], || example(other));
        }
        if let Some(train) = train
            && let Some((first, _)) = train.captions.get(&key)
        {
            let other = train.record_name(*first as usize);
            self.note(Check::LeakCaptions, &[], || example(other));
        }
    }

    fn note_cut(&mut self, text: &MeasuredText, at: &str) {
        if text.lost > 0 {
            self.note(Check::Truncated, &[], || Example {
                at: at.to_owned(),
                note: format!("{} of {} tokens are lost", text.lost, text.tokens),
                ..Example::default()
            });
        }
    }

    fn add_pair(&mut self, measured: &Measured, at: &str) {
        let [source, target] = &measured.sides[..] else {
            return;
        };
        self.pairs += 1;
        let failed = self.quality.add(&measured.quality);
        if !failed.is_empty() {
            self.note(Check::Quality, &[], || Example {
                at: at.to_owned(),
                note: failed.join(", "),
                ..Example::default()
            });
        }
        let mut same = Vec::new();
        if let (Some(before), Some(after)) = (&source.caption, &target.caption) {
            self.sides.add(&before.text, &after.text);
            let prompt = measured.prompt.as_deref();
            match edit_type(&before.text, &after.text, prompt) {
                None => same.push("same_caption"),
                Some(found) => self.by_rule.add(found),
            }
        }
        self.categories
            .add(measured.category.as_deref().unwrap_or("(none given)"));
        let mut cosine = None;
        if let (Some(before), Some(after)) = (&source.image, &target.image) {
            self.resized += u64::from(before.size != after.size);
            let value = similarity(&before.embedding, &after.embedding);
            self.pair_cosines.push(value);
            if before.bytes == after.bytes {
                same.push("same_bytes");
            } else if before.pixels == after.pixels {
                same.push("same_pixels");
            } else if value >= self.settings.unchanged {
                same.push("near_identical");
            }
            cosine = Some(value);
            self.compare_captions(measured, at);
        }
        if !same.is_empty() {
            self.note(Check::Unchanged, &same, || Example {
                at: at.to_owned(),
                note: same.join(", "),
                value: cosine,
                ..Example::default()
            });
        }
    }

    /// Whether the captions of a pair fit better when swapped.
    fn compare_captions(&mut self, measured: &Measured, at: &str) {
        let mut parts = measured
            .sides
            .iter()
            .map(|side| Some((side.image.as_ref()?, side.text_embedding.as_ref()?)));
        let (Some(Some((image, text))), Some(Some((other_image, other_text)))) =
            (parts.next(), parts.next())
        else {
            return;
        };
        let kept =
            similarity(&image.embedding, text) + similarity(&other_image.embedding, other_text);
        let swapped =
            similarity(&image.embedding, other_text) + similarity(&other_image.embedding, text);
        let margin = swapped - kept;
        self.swap_margins.push(margin);
        if margin > self.settings.swap_margin {
            self.note(Check::Swapped, &[], || Example {
                at: at.to_owned(),
                note: "the model prefers the swapped captions".to_owned(),
                value: Some(margin),
                ..Example::default()
            });
        }
    }
}
