//! MMVP-VLM (Tong et al., arXiv 2401.06209): pairs of images that CLIP confuses, in nine categories.
//!
//! `Questions.csv` has the columns `Question ID,Type,Statement`; two consecutive rows form a pair. The image of a row is
//! `MLLM_VLM Images/<Type>/<Question ID>.jpg`.

use std::path::Path;

use anyhow::{Context, bail};

use super::pictures::{PictureFiles, Pictures};
use super::quads::{self, Names, Quad};
use super::scoring::{MetricSpec, Over, Scored, by_group};
use super::texts::Texts;
use super::{Broken, Dataset, Scoring, Vectors};

const QUESTIONS: &str = "Questions.csv";
const IMAGES: &str = "MLLM_VLM Images";
/// The prefix of every statement, as in the authors' script.
const PREFIX: &str = "a photo of ";
const COLUMNS: [&str; 3] = ["Question ID", "Type", "Statement"];

/// One row of the questions.
struct Question {
    place: String,
    id: u64,
    kind: String,
    statement: String,
}

pub fn open(folder: &Path) -> anyhow::Result<Dataset> {
    let path = folder.join(QUESTIONS);
    let (questions, mut broken) = read(&path)?;
    let (mut texts, mut files) = (Texts::default(), PictureFiles::default());
    let mut pairs = Vec::new();
    // Works with missing rows in between: an odd id is the first of its pair.
    let mut questions = questions.into_iter().peekable();
    let mut records = 0;
    while let Some(first) = questions.next() {
        records += 1;
        let second = questions.next_if(|second| first.id.checked_add(1) == Some(second.id));
        let Some(second) = second.filter(|second| first.id % 2 == 1 && second.kind == first.kind)
        else {
            let reason = "the other half of the pair is missing, or of another type";
            broken.push(Broken::new(first.place, reason));
            continue;
        };
        let id = format!("{}-{}", first.id, second.id);
        let group = first.kind.clone();
        let pair = [first, second];
        let images = pair.each_ref().map(|question| {
            let name = format!("{}.jpg", question.id);
            files.add(folder.join(IMAGES).join(&question.kind).join(name))
        });
        let texts = pair.map(|question| {
            let place = question.place;
            texts.add(format!("{PREFIX}{}", question.statement), || place)
        });
        pairs.push(Quad {
            id,
            group,
            images,
            texts,
        });
    }
    Ok(Dataset {
        benchmark: "mmvp",
        options: [("prefix".to_owned(), PREFIX.to_owned())].into(),
        texts,
        pictures: Pictures::Files(files),
        records,
        scoring: Box::new(Pairs(quads::unique(pairs, &mut broken))),
        broken,
    })
}

fn read(path: &Path) -> anyhow::Result<(Vec<Question>, Vec<Broken>)> {
    let named = || path.display().to_string();
    let mut reader = csv::ReaderBuilder::new()
        .flexible(true)
        .from_path(path)
        .with_context(|| format!("cannot read {}", named()))?;
    let header = reader.headers().with_context(named)?.clone();
    let place = |name: &str| {
        let same = |found: &str| found.trim().eq_ignore_ascii_case(name);
        header.iter().position(same)
    };
    let mut places = [0; 3];
    for (slot, name) in places.iter_mut().zip(COLUMNS) {
        match place(name) {
            Some(found) => *slot = found,
            None => {
                let there: Vec<_> = header.iter().collect();
                bail!(
                    "{}: no column {name}; the file has {}",
                    named(),
                    there.join(", ")
                );
            }
        }
    }
    let (mut questions, mut broken) = (Vec::new(), Vec::new());
    for (row, record) in reader.records().enumerate() {
        let place = format!("{QUESTIONS}:{}", row + 2);
        let record = match record {
            Ok(record) => record,
            Err(error) => {
                broken.push(Broken::new(place, error.to_string()));
                continue;
            }
        };
        let [id, kind, statement] = places.map(|i| record.get(i).unwrap_or_default().trim());
        match id.parse() {
            // A name with `/` or `..` would lead outside the folder.
            Ok(id) if is_name(kind) && !statement.is_empty() => questions.push(Question {
                place,
                id,
                kind: kind.to_owned(),
                statement: statement.to_owned(),
            }),
            Ok(_) => broken.push(Broken::new(
                place,
                "type or statement is empty, or unusable",
            )),
            Err(_) => broken.push(Broken::new(place, format!("{id:?} is not a question id"))),
        }
    }
    Ok((questions, broken))
}

fn is_name(name: &str) -> bool {
    !name.is_empty() && name != "." && name != ".." && !name.contains(['/', '\\'])
}

/// Pairs of images by category, scored with MMVP's rule.
pub struct Pairs(pub Vec<Quad>);

impl Scoring for Pairs {
    fn score(&self, vectors: &Vectors) -> Scored {
        let names = Names::PLAIN;
        let items = quads::score(&self.0, vectors, names);
        let (text, image) = (names.text_to_image, names.image_to_text);
        let mut metrics = vec![
            MetricSpec::headline("text_to_image", text, Over::Groups),
            MetricSpec::new("image_to_text", image, Over::Groups),
        ];
        metrics.extend(
            names
                .both
                .map(|both| MetricSpec::new(both, both, Over::Groups)),
        );
        metrics.extend(by_group("text_to_image", text, &items));
        metrics.extend(by_group("image_to_text", image, &items));
        Scored { items, metrics }
    }
}
