//! Which statement about a change is true: the source of an edit is the golden sample, as `reference` of `/v1/compare`.
//!
//! Every formula is an outcome of its own, so that what the server uses stands beside the plain cosine, each part alone, and
//! the sum without fitted weights.

use std::path::Path;

use serde::Deserialize;

use super::pairs::{self, Captions, Edit, IMAGES};
use super::pictures::Pictures;
use super::rows::Table;
use super::scoring::{MetricSpec, Over, Scored, ScoredItem, by_group};
use super::texts::Texts;
use super::{Broken, Dataset, Scoring, Vectors};
use crate::dataset::parquet::Holds;
use crate::inspection::statements::{
    self, Feature, Features, Statement, features, scores, standardised_sums,
};
use crate::matching::cosine;

/// The index of the statement that is true.
const TRUE: &str = "true_statement";
/// The headline: the score of the server.
const TOP_1: &str = "top_1";
/// The control: how near picture and statement are, without the golden sample.
const WITHOUT_REFERENCE: &str = "without_reference";
/// What the server uses for bundles without fitted weights.
const WITHOUT_WEIGHTS: &str = "without_weights";

/// An edit with its statements, by their indices in the data set.
struct Case {
    id: String,
    group: String,
    images: [usize; 2],
    said: Vec<Said>,
    is_true: usize,
}

#[derive(Clone, Copy)]
struct Said {
    text: usize,
    reference_text: Option<usize>,
}

/// A statement as it stands in the data, in the form of a request to `/v1/compare`.
#[derive(Deserialize)]
struct Written {
    text: String,
    reference_text: Option<String>,
}

struct Changes(Vec<Case>);

/// Opens Parquet with `statements`, or with UltraEdit's columns: then the true statement of an edit stands among those of
/// `others` other edits.
pub fn open(path: &Path, captions: Captions, others: usize) -> anyhow::Result<Dataset> {
    let mut table = pairs::table(path)?;
    let column = match captions {
        Captions::Short => "statements",
        Captions::Long => "statements_long",
    };
    let mut reading = Reading {
        broken: std::mem::take(&mut table.faults),
        ..Reading::default()
    };
    let mut options = vec![("captions".to_owned(), captions.name().to_owned())];
    if table.has(column, Holds::Texts) {
        reading.written(&table, column);
    } else {
        let edits = pairs::edits(&table, captions, &mut reading.broken)?;
        reading.edits(&edits, others);
        options.push(("others".to_owned(), others.to_string()));
    }
    Ok(Dataset {
        benchmark: "changes",
        options: options.into_iter().collect(),
        texts: reading.texts,
        records: table.rows(),
        pictures: Pictures::Columns(table, &IMAGES),
        scoring: Box::new(Changes(reading.cases)),
        broken: reading.broken,
    })
}

#[derive(Default)]
struct Reading {
    texts: Texts,
    cases: Vec<Case>,
    broken: Vec<Broken>,
}

impl Reading {
    /// Reads a column of statements.
    fn written(&mut self, table: &Table, column: &str) {
        let mut names = vec![column, TRUE];
        if table.has("category", Holds::Texts) {
            names.push("category");
        }
        let faults = table.cells(&names, |row, place, cells| {
            let mut cells = cells.into_iter();
            let mut next = || cells.next().flatten();
            let (Some(json), Some(is_true)) = (next(), next()) else {
                let reason = format!("`{column}` or `{TRUE}` is empty, or not UTF-8");
                self.broken.push(Broken::new(place, reason));
                return;
            };
            match parsed(&json, &is_true) {
                Ok((written, is_true)) => {
                    let group = next().unwrap_or_else(|| "all".to_owned());
                    self.add(row, place, group, written, is_true);
                }
                Err(reason) => self
                    .broken
                    .push(Broken::new(place, format!("`{column}`: {reason}"))),
            }
        });
        self.broken.extend(faults);
    }

    /// Makes statements of the captions of edits: those of the next edits in the file that say something else.
    fn edits(&mut self, edits: &[Edit], others: usize) {
        for (number, edit) in edits.iter().enumerate() {
            let [source, target] = &edit.captions;
            let following = edits.iter().cycle().skip(number + 1).take(edits.len() - 1);
            let mut written = vec![target];
            for Edit {
                captions: [_, other],
                ..
            } in following
            {
                if written.len() > others {
                    break;
                }
                if other != source && !written.contains(&other) {
                    written.push(other);
                }
            }
            if written.len() < 2 {
                let reason = "no other edit has another caption: nothing can be chosen";
                self.broken.push(Broken::new(edit.place.clone(), reason));
                continue;
            }
            let written = written.into_iter().map(|text| Written {
                text: text.clone(),
                reference_text: Some(source.clone()),
            });
            let (id, group) = (edit.place.clone(), edit.group.clone());
            self.add(edit.row, id, group, written.collect(), 0);
        }
    }

    fn add(
        &mut self,
        row: usize,
        id: String,
        group: String,
        written: Vec<Written>,
        is_true: usize,
    ) {
        let texts = &mut self.texts;
        let said = written.into_iter().enumerate().map(|(i, written)| Said {
            text: texts.add(written.text, || format!("{id} statement {i}")),
            reference_text: written
                .reference_text
                .map(|text| texts.add(text, || format!("{id} statement {i}, reference_text"))),
        });
        let said = said.collect();
        self.cases.push(Case {
            id,
            group,
            images: [2 * row, 2 * row + 1],
            said,
            is_true,
        });
    }
}

/// The statements of a cell, and the index of the true one.
fn parsed(json: &str, is_true: &str) -> Result<(Vec<Written>, usize), String> {
    let written: Vec<Written> =
        serde_json::from_str(json).map_err(|error| format!("is no list of statements: {error}"))?;
    let index = is_true.parse::<usize>().ok();
    let index = index.filter(|index| *index < written.len());
    let count = written.len();
    let index =
        index.ok_or_else(|| format!("has {count} statements, and none has index {is_true:.20}"))?;
    if count < 2 {
        return Err("has one statement only: nothing can be chosen".to_owned());
    }
    Ok((written, index))
}

impl Scoring for Changes {
    fn score(&self, vectors: &Vectors) -> Scored {
        let items: Vec<_> = self
            .0
            .iter()
            .filter_map(|case| item(case, vectors))
            .collect();
        let mut metrics = vec![MetricSpec::headline(TOP_1, TOP_1, Over::Items)];
        for name in outcomes() {
            metrics.push(MetricSpec::new(name, name, Over::Items));
        }
        metrics.extend(by_group(TOP_1, TOP_1, &items));
        Scored { items, metrics }
    }
}

/// The names of the outcomes besides the server's.
fn outcomes() -> impl Iterator<Item = &'static str> {
    [WITHOUT_WEIGHTS, WITHOUT_REFERENCE]
        .into_iter()
        .chain(ALONE.map(Feature::name))
}

/// The features that can rank statements alone: [`Feature::Same`] cannot.
const ALONE: [Feature; 4] = [
    Feature::TextDifference,
    Feature::Direction,
    Feature::ChangeAlong,
    Feature::NotOfReference,
];

fn item(case: &Case, vectors: &Vectors) -> Option<ScoredItem> {
    let [reference, picture] = case.images.map(|index| vectors.image(index));
    let (reference, picture) = (reference?, picture?);
    let said = case.said.iter().map(|said| {
        let reference_text = match said.reference_text {
            Some(index) => Some(vectors.text(index)?),
            None => None,
        };
        Some(Statement {
            text: vectors.text(said.text)?,
            reference_text,
        })
    });
    let said = said.collect::<Option<Vec<_>>>()?;
    let pictures = statements::Pictures { picture, reference };
    let found = features(&pictures, &said).ok()?;
    let plain = said
        .iter()
        .map(|said| f64::from(cosine(picture, said.text)))
        .collect();
    let mut ranked = vec![
        (TOP_1, scores(&found, vectors.weights.as_ref())),
        (WITHOUT_WEIGHTS, standardised_sums(&found)),
        (WITHOUT_REFERENCE, plain),
    ];
    for feature in ALONE {
        ranked.push((feature.name(), column(&found, feature)));
    }
    Some(ScoredItem {
        id: case.id.clone(),
        group: case.group.clone(),
        outcomes: ranked
            .into_iter()
            .map(|(name, scores)| (name.to_owned(), first(&scores, case.is_true).into()))
            .collect(),
    })
}

fn column(found: &[Features], feature: Feature) -> Vec<f64> {
    let value = |features: &Features| features.get(feature as usize).copied();
    found.iter().filter_map(value).collect()
}

/// Whether a statement is before all others; a tie is wrong.
fn first(scores: &[f64], is_true: usize) -> bool {
    let own = scores.get(is_true).copied().unwrap_or(f64::NAN);
    let others = scores.iter().enumerate().filter(|(i, _)| *i != is_true);
    others.into_iter().all(|(_, other)| *other < own)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::Embedding;

    fn unit(degrees: f32) -> Option<Embedding> {
        let radians = degrees.to_radians();
        Some([radians.cos(), radians.sin()].into())
    }

    /// Two statements about a picture; the first one is true.
    fn outcome(name: &str, images: [f32; 2], texts: [f32; 4]) -> bool {
        let vectors = Vectors {
            images: images.map(unit).into(),
            texts: texts.map(unit).into(),
            weights: None,
        };
        let said = |text, reference_text| Said {
            text,
            reference_text: Some(reference_text),
        };
        let case = Case {
            id: "1".to_owned(),
            group: "all".to_owned(),
            images: [0, 1],
            said: vec![said(0, 1), said(2, 3)],
            is_true: 0,
        };
        let found = Changes(vec![case]).score(&vectors);
        found.items[0].outcomes[name].right == 1
    }

    #[test]
    fn a_golden_sample_helps_where_the_plain_cosine_is_wrong() {
        // The picture moved from 0 to 10 degrees, and the true statement from -30 to -18. The wrong one is nearer, and goes back.
        let case = ([0.0, 10.0], [-18.0, -30.0, 8.0, 12.0]);
        assert!(!outcome(WITHOUT_REFERENCE, case.0, case.1));
        assert!(outcome("direction", case.0, case.1));
        assert!(outcome(TOP_1, case.0, case.1));
        // Exchanged, the other one is true.
        let case = ([0.0, 10.0], [8.0, 12.0, -18.0, -30.0]);
        assert!(outcome(WITHOUT_REFERENCE, case.0, case.1));
        assert!(!outcome(TOP_1, case.0, case.1));
    }

    #[test]
    fn a_tie_is_wrong() {
        let same = [30.0, 20.0, 30.0, 20.0];
        for name in outcomes().chain([TOP_1]) {
            assert!(!outcome(name, [0.0, 10.0], same), "{name}");
        }
    }

    #[test]
    fn a_cell_that_cannot_be_read_says_why() {
        let two =
            r#"[{"text": "a", "reference_text": null}, {"text": "b", "reference_text": "c"}]"#;
        assert_eq!(parsed(two, "1").map(|found| found.1), Ok(1));
        for (json, index, reason) in [
            (two, "2", "none has index 2"),
            (two, "-1", "none has index -1"),
            (r#"[{"text": "a"}]"#, "0", "one statement only"),
            ("{}", "0", "is no list of statements"),
        ] {
            let error = parsed(json, index).map(|_| ()).unwrap_err();
            assert!(error.contains(reason), "{error}");
        }
    }
}
