//! Retrieval in both directions: does an image find its captions among all, and a caption its image?
//!
//! Recall at k: an image is correct if one of its captions is among the k nearest, a caption if its image is. In a tie, the
//! correct item ranks last. All images and captions of the data form the gallery; resampling draws images.

mod dci;
mod docci;
mod karpathy;
mod ranks;
mod sharegpt4v;
mod urban1k;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::pictures::{PictureFiles, Pictures};
use super::scoring::{MetricSpec, Outcome, Over, Scored, ScoredItem};
use super::texts::Texts;
use super::{Broken, Dataset, Scoring, Vectors};
use ranks::{Caption, ranks};

/// The k of recall at k.
const AT: [u32; 3] = [1, 5, 10];

/// The layout of a data set on disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Layout {
    /// Karpathy's JSON of COCO or Flickr30k; the images are below --images
    Karpathy,
    /// image/N.jpg and caption/N.txt
    Urban1k,
    /// annotations/*.json and photos/, short and long captions
    Dci,
    /// docci_descriptions.jsonlines and images/, or Parquet with image, example_id, description
    Docci,
    /// A JSON list of image and conversations, short and long captions; the images are below --images
    Sharegpt4v,
}

/// The part of the data to evaluate.
#[derive(Debug, Clone)]
pub struct Selection {
    /// Its layout.
    pub layout: Layout,
    /// Folder of the images, if the data does not name it.
    pub images: Option<PathBuf>,
    /// The split, if the data has several.
    pub split: String,
    /// Read only the first N records.
    pub first: Option<usize>,
}

/// An image with its captions of each kind in the data set.
struct Entry {
    id: String,
    image: usize,
    captions: Vec<Vec<usize>>,
}

/// The result of reading a layout.
struct Gallery {
    /// Kinds of captions; a single kind has no name.
    kinds: &'static [&'static str],
    texts: Texts,
    pictures: Pictures,
    entries: Vec<Entry>,
    records: usize,
    broken: Vec<Broken>,
}

/// A single kind of caption.
const ONE: &[&str] = &[""];
/// Two kinds, in the order of an entry's captions.
const SHORT_AND_LONG: &[&str] = &["short", "long"];

/// A gallery of image files while it is read.
struct Files {
    kinds: &'static [&'static str],
    texts: Texts,
    files: PictureFiles,
    entries: Vec<Entry>,
    records: usize,
    broken: Vec<Broken>,
}

impl Files {
    fn new(kinds: &'static [&'static str]) -> Self {
        Self {
            kinds,
            texts: Texts::default(),
            files: PictureFiles::default(),
            entries: Vec::new(),
            records: 0,
            broken: Vec::new(),
        }
    }

    /// Records a record that cannot be used.
    fn broken(&mut self, place: impl Into<String>, reason: impl Into<String>) {
        self.records += 1;
        self.broken.push(Broken::new(place, reason));
    }

    /// Adds an image with its captions of each kind. An empty caption is ignored.
    fn add(&mut self, place: &str, id: String, path: PathBuf, captions: Vec<Vec<String>>) {
        self.records += 1;
        let texts = &mut self.texts;
        let captions: Vec<Vec<usize>> = captions
            .into_iter()
            .map(|of_kind| {
                let full = of_kind.into_iter().filter(|text| !text.trim().is_empty());
                full.map(|text| texts.add(text, || format!("{place} caption")))
                    .collect()
            })
            .collect();
        if captions.iter().all(Vec::is_empty) {
            self.broken
                .push(Broken::new(place, "the caption is missing"));
            return;
        }
        self.entries.push(Entry {
            id,
            image: self.files.add(path),
            captions,
        });
    }

    /// Whether the requested number of records was read.
    fn full(&self, selection: &Selection) -> bool {
        selection.first.is_some_and(|first| self.records >= first)
    }

    fn finish(self) -> Gallery {
        Gallery {
            kinds: self.kinds,
            texts: self.texts,
            pictures: Pictures::Files(self.files),
            entries: self.entries,
            records: self.records,
            broken: self.broken,
        }
    }
}

pub fn open(path: &Path, selection: &Selection) -> anyhow::Result<Dataset> {
    let (name, gallery) = match selection.layout {
        Layout::Karpathy => ("karpathy", karpathy::read(path, selection)?),
        Layout::Urban1k => ("urban1k", urban1k::read(path, selection)?),
        Layout::Dci => ("dci", dci::read(path, selection)?),
        Layout::Docci => ("docci", docci::read(path, selection)?),
        Layout::Sharegpt4v => ("sharegpt4v", sharegpt4v::read(path, selection)?),
    };
    let Gallery {
        kinds,
        texts,
        pictures,
        mut entries,
        records,
        mut broken,
    } = gallery;
    let mut ids = std::collections::HashSet::new();
    entries.retain(|entry| {
        let new = ids.insert(entry.id.clone());
        if !new {
            let reason = "an earlier record has the same image";
            broken.push(Broken::new(entry.id.clone(), reason));
        }
        new
    });
    Ok(Dataset {
        benchmark: "retrieval",
        options: [("layout".to_owned(), name.to_owned())].into(),
        texts,
        pictures,
        records,
        broken,
        scoring: Box::new(Entries { kinds, entries }),
    })
}

struct Entries {
    kinds: &'static [&'static str],
    entries: Vec<Entry>,
}

impl Entries {
    /// Adds the outcomes for one kind of caption to those of the images.
    fn score_kind(
        &self,
        kind: usize,
        prefix: &str,
        vectors: &Vectors,
        outcomes: &mut [BTreeMap<String, Outcome>],
    ) {
        let (mut images, mut owners, mut captions) = (Vec::new(), Vec::new(), Vec::new());
        for (owner, entry) in self.entries.iter().enumerate() {
            let Some(image) = vectors.image(entry.image) else {
                continue;
            };
            let texts = entry.captions.get(kind).into_iter().flatten();
            let texts: Vec<_> = texts.filter_map(|i| vectors.text(*i)).collect();
            if texts.is_empty() {
                continue;
            }
            let place = images.len();
            images.push(image);
            owners.push(owner);
            captions.extend(texts.into_iter().map(|text| Caption { text, image: place }));
        }
        let found = ranks(&images, &captions);
        for k in AT {
            let mut right = vec![Outcome { right: 0, of: 0 }; images.len()];
            for (caption, before) in captions.iter().zip(&found.of_captions) {
                if let Some(outcome) = right.get_mut(caption.image) {
                    outcome.of += 1;
                    outcome.right += u32::from(*before < k);
                }
            }
            let of_images = found.of_images.iter().zip(right).zip(&owners);
            for ((before, texts), owner) in of_images {
                if let Some(outcomes) = outcomes.get_mut(*owner) {
                    outcomes.insert(format!("{prefix}image_to_text_r{k}"), (*before < k).into());
                    outcomes.insert(format!("{prefix}text_to_image_r{k}"), texts);
                }
            }
        }
    }
}

impl Scoring for Entries {
    fn score(&self, vectors: &Vectors) -> Scored {
        let mut outcomes = vec![BTreeMap::new(); self.entries.len()];
        let mut metrics = Vec::new();
        for (kind, name) in self.kinds.iter().enumerate() {
            let prefix = match *name {
                "" => String::new(),
                name => format!("{name}_"),
            };
            self.score_kind(kind, &prefix, vectors, &mut outcomes);
            for direction in ["image_to_text", "text_to_image"] {
                for k in AT {
                    let name = format!("{prefix}{direction}_r{k}");
                    metrics.push(if k == 1 {
                        MetricSpec::headline(&name, &name, Over::Items)
                    } else {
                        MetricSpec::new(&name, &name, Over::Items)
                    });
                }
            }
        }
        let items = self.entries.iter().zip(outcomes);
        let items = items.filter(|(_, outcomes)| !outcomes.is_empty());
        Scored {
            items: items
                .map(|(entry, outcomes)| ScoredItem {
                    id: entry.id.clone(),
                    group: "all".to_owned(),
                    outcomes,
                })
                .collect(),
            metrics,
        }
    }
}

/// Whether a name from the data stays inside its folder.
fn stays_below(name: &str) -> bool {
    use std::path::Component;

    let mut parts = Path::new(name).components();
    !name.is_empty() && parts.all(|part| matches!(part, Component::Normal(_) | Component::CurDir))
}
