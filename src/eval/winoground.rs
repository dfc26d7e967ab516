//! Winoground (Thrush et al., arXiv 2204.03162): captions with the same words in another order.
//!
//! Two layouts: the Hub's Parquet with `image_0`, `image_1`, `caption_0`, `caption_1`, `id` and tags, or a folder with
//! `examples.jsonl` with the same columns, where an image is a name in `images/`, without its ending.

use std::path::{Component, Path};

use anyhow::{Context, bail};
use serde_json::Value;

use super::json::lines;
use super::pictures::{PictureFiles, Pictures};
use super::quads::{self, Names, Quad};
use super::rows::Table;
use super::scoring::{MetricSpec, Over, Scored, by_group};
use super::texts::Texts;
use super::{Broken, Dataset, Scoring, Vectors};
use crate::dataset::parquet::Holds;

const EXAMPLES: &str = "examples.jsonl";
const IMAGES: [&str; 2] = ["image_0", "image_1"];
const CAPTIONS: [&str; 2] = ["caption_0", "caption_1"];
/// The paper's names of the three scores. "text": an image selects its text.
const NAMES: Names = Names {
    text_to_image: "image",
    image_to_text: "text",
    both: Some("group"),
};

pub fn open(path: &Path, by: &str) -> anyhow::Result<Dataset> {
    let folders = [path.to_owned(), path.join("data")];
    let folder = folders.iter().find(|it| it.join(EXAMPLES).is_file());
    let mut dataset = match folder {
        Some(folder) => from_folder(folder, by)?,
        None => from_parquet(path, by)?,
    };
    dataset.options.insert("by".to_owned(), by.to_owned());
    Ok(dataset)
}

fn dataset(
    texts: Texts,
    pictures: Pictures,
    records: usize,
    examples: Vec<Quad>,
    mut broken: Vec<Broken>,
) -> Dataset {
    Dataset {
        benchmark: "winoground",
        options: Default::default(),
        texts,
        pictures,
        records,
        scoring: Box::new(Examples(quads::unique(examples, &mut broken))),
        broken,
    }
}

fn from_parquet(path: &Path, by: &str) -> anyhow::Result<Dataset> {
    let mut table = Table::open(path).context("neither examples.jsonl nor Parquet")?;
    for name in CAPTIONS {
        table.require(name, Holds::Texts)?;
    }
    for name in IMAGES {
        table.require(name, Holds::Images)?;
    }
    // Tags are only for the report: without them there is one group.
    if by != "tag" {
        table.require(by, Holds::Ids)?;
    }
    let (mut texts, mut examples) = (Texts::default(), Vec::new());
    let mut broken = std::mem::take(&mut table.faults);
    let names = [CAPTIONS[0], CAPTIONS[1], "id", by];
    let faults = table.cells(&names, |row, place, cells| {
        let Ok([first, second, id, group]) = <[_; 4]>::try_from(cells) else {
            return;
        };
        let (Some(first), Some(second)) = (first, second) else {
            broken.push(Broken::new(place, "a caption is empty, or not UTF-8"));
            return;
        };
        let caption = |i: usize| format!("{place} {}", CAPTIONS[i]);
        examples.push(Quad {
            id: id.unwrap_or_else(|| row.to_string()),
            group: group.unwrap_or_default(),
            images: [2 * row, 2 * row + 1],
            texts: [
                texts.add(first, || caption(0)),
                texts.add(second, || caption(1)),
            ],
        });
    });
    broken.extend(faults);
    let records = table.rows();
    let pictures = Pictures::Columns(table, &IMAGES);
    Ok(dataset(texts, pictures, records, examples, broken))
}

fn from_folder(folder: &Path, by: &str) -> anyhow::Result<Dataset> {
    let path = folder.join(EXAMPLES);
    let (mut texts, mut files) = (Texts::default(), PictureFiles::default());
    let (mut examples, mut broken, mut records) = (Vec::new(), Vec::new(), 0);
    for (place, line) in lines(&path)? {
        records += 1;
        let example = line.and_then(|value| Example::of(&value, by, records - 1));
        let example = match example {
            Ok(example) => example,
            Err(reason) => {
                broken.push(Broken::new(place, reason));
                continue;
            }
        };
        let images = example.images.map(|name| {
            let file = folder.join("images").join(&name);
            // The names have no ending.
            if file.is_file() {
                files.add(file)
            } else {
                files.add(folder.join("images").join(format!("{name}.png")))
            }
        });
        examples.push(Quad {
            id: example.id,
            group: example.group,
            images,
            texts: example
                .captions
                .map(|text| texts.add(text, || place.clone())),
        });
    }
    if records == 0 {
        bail!("{} is empty", path.display());
    }
    let pictures = Pictures::Files(files);
    Ok(dataset(texts, pictures, records, examples, broken))
}

struct Example {
    id: String,
    group: String,
    images: [String; 2],
    captions: [String; 2],
}

impl Example {
    fn of(value: &Value, by: &str, number: usize) -> Result<Self, String> {
        let text = |name: &str| {
            let text = value.get(name).and_then(Value::as_str);
            text.map(str::to_owned)
                .ok_or_else(|| format!("{name} is missing, or not a string"))
        };
        let images = [text(IMAGES[0])?, text(IMAGES[1])?];
        let leads_out = |name: &String| {
            let mut parts = Path::new(name).components();
            !parts.all(|part| matches!(part, Component::Normal(_)))
        };
        if let Some(name) = images.iter().find(|name| leads_out(name)) {
            return Err(format!("the image {name:?} is not a name in images/"));
        }
        let id = match value.get("id") {
            Some(Value::String(id)) => id.clone(),
            Some(Value::Number(id)) => id.to_string(),
            _ => number.to_string(),
        };
        let group = value.get(by).and_then(Value::as_str).unwrap_or_default();
        Ok(Self {
            id,
            group: group.to_owned(),
            images,
            captions: [text(CAPTIONS[0])?, text(CAPTIONS[1])?],
        })
    }
}

struct Examples(Vec<Quad>);

impl Scoring for Examples {
    fn score(&self, vectors: &Vectors) -> Scored {
        let items = quads::score(&self.0, vectors, NAMES);
        let mut metrics = vec![
            MetricSpec::new("text", "text", Over::Items),
            MetricSpec::new("image", "image", Over::Items),
            MetricSpec::headline("group", "group", Over::Items),
        ];
        for name in ["text", "image", "group"] {
            metrics.extend(by_group(name, name, &items));
        }
        Scored { items, metrics }
    }
}
