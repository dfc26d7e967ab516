//! SugarCrepe (Hsieh et al., arXiv 2306.14610): a caption against one with one or two wrong words, in seven subsets.
//!
//! One JSON file for each subset, index → `{filename, caption, negative_caption}`; the images are those of COCO's val2017.

use std::collections::BTreeMap;
use std::path::{Component, Path};

use anyhow::{Context, bail};
use serde::Deserialize;
use serde_json::Value;

use super::json::whole;
use super::pictures::{PictureFiles, Pictures};
use super::scoring::{MetricSpec, Over, Scored, ScoredItem, by_group};
use super::texts::Texts;
use super::{Broken, Dataset, Scoring, Vectors};
use crate::matching::cosine;

const SUBSETS: [&str; 7] = [
    "add_att",
    "add_obj",
    "replace_att",
    "replace_obj",
    "replace_rel",
    "swap_att",
    "swap_obj",
];

#[derive(Deserialize)]
struct Record {
    filename: String,
    caption: String,
    negative_caption: String,
}

/// An image, its caption, and the wrong one.
struct Question {
    id: String,
    subset: &'static str,
    image: usize,
    caption: usize,
    negative: usize,
}

pub fn open(folder: &Path, images: &Path) -> anyhow::Result<Dataset> {
    if !images.is_dir() {
        bail!(
            "the folder {} does not exist; name the folder of COCO's val2017 with --images",
            images.display()
        );
    }
    let (mut texts, mut files) = (Texts::default(), PictureFiles::default());
    let (mut questions, mut broken, mut records) = (Vec::new(), Vec::new(), 0);
    for subset in SUBSETS {
        let path = folder.join(format!("{subset}.json"));
        let entries: BTreeMap<String, Value> =
            whole(&path).context("the mean needs all seven subsets")?;
        let mut entries: Vec<_> = entries.into_iter().collect();
        // Sorted by the keys as numbers.
        entries.sort_by(|(a, _), (b, _)| (a.len(), a).cmp(&(b.len(), b)));
        for (key, entry) in entries {
            records += 1;
            let place = format!("{subset}.json:{key}");
            let record = Record::deserialize(entry).map_err(|e| e.to_string());
            let record = record.and_then(|record| {
                let parts: Vec<_> = Path::new(&record.filename).components().collect();
                match parts[..] {
                    [Component::Normal(_)] => Ok(record),
                    _ => Err(format!("{:?} is not a file name", record.filename)),
                }
            });
            match record {
                Err(reason) => broken.push(Broken::new(place, reason)),
                Ok(record) => questions.push(Question {
                    id: format!("{subset}/{key}"),
                    subset,
                    image: files.add(images.join(&record.filename)),
                    caption: texts.add(record.caption, || format!("{place} caption")),
                    negative: texts.add(record.negative_caption, || {
                        format!("{place} negative_caption")
                    }),
                }),
            }
        }
    }
    Ok(Dataset {
        benchmark: "sugarcrepe",
        options: BTreeMap::new(),
        texts,
        pictures: Pictures::Files(files),
        records,
        broken,
        scoring: Box::new(Questions(questions)),
    })
}

struct Questions(Vec<Question>);

impl Scoring for Questions {
    fn score(&self, vectors: &Vectors) -> Scored {
        let items = self.0.iter().filter_map(|question| {
            let image = vectors.image(question.image)?;
            let caption = cosine(image, vectors.text(question.caption)?);
            let negative = cosine(image, vectors.text(question.negative)?);
            Some(ScoredItem {
                id: question.id.clone(),
                group: question.subset.to_owned(),
                outcomes: [("right".to_owned(), (caption > negative).into())].into(),
            })
        });
        let items: Vec<_> = items.collect();
        let mut metrics = vec![
            MetricSpec::headline("macro", "right", Over::Groups),
            MetricSpec::new("micro", "right", Over::Items),
        ];
        metrics.extend(by_group("accuracy", "right", &items));
        Scored { items, metrics }
    }
}
