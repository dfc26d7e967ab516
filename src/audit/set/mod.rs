//! The stored information about a data set, and the findings in it.

mod add;

use std::collections::{BTreeMap, HashMap};

use super::balance::{Names, Sizes};
use super::findings::{Check, Example, Finding};
use super::lengths::Lengths;
use super::quality::Ranges;
use super::record::{LeftOut, Place, Problem, side_name};
use super::spread::Spread;
use super::swaps::Swaps;
use super::vectors::Vectors;
use super::words::{Repeated, Sides};

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
    pub swaps: Swaps,
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
            swaps: Swaps::default(),
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
}
