//! Pairs of edits in UltraEdit's columns, scored like MMVP-VLM: the measure of CLIP-IN's training goal.

use std::path::Path;

use super::mmvp::Pairs;
use super::pictures::Pictures;
use super::quads::{self, Quad};
use super::rows::Table;
use super::texts::Texts;
use super::{Broken, Dataset};
use crate::dataset::parquet::Holds;

const IMAGES: [&str; 2] = ["source_image", "edited_image"];

/// Selects the captions of a data set with short and long ones.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Captions {
    /// One short sentence.
    Short,
    /// A complete description.
    Long,
}

impl Captions {
    /// The columns of the source's and of the edited image's caption.
    pub(super) fn columns(self) -> [&'static str; 2] {
        match self {
            Self::Short => ["source_caption", "target_caption"],
            Self::Long => ["source_caption_long", "target_caption_long"],
        }
    }

    /// The name on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Short => "short",
            Self::Long => "long",
        }
    }
}

pub fn open(path: &Path, captions: Captions) -> anyhow::Result<Dataset> {
    let mut table = Table::open(path)?;
    for other in table.leave_out_without(&IMAGES) {
        message!("note: {other} has no edits and is left out");
    }
    for name in captions.columns() {
        table.require(name, Holds::Texts)?;
    }
    for name in IMAGES {
        table.require(name, Holds::Images)?;
    }
    let [source, target] = captions.columns();
    let mut columns = vec![source, target];
    if table.has("category", Holds::Texts) {
        columns.push("category");
    }
    let (mut texts, mut pairs) = (Texts::default(), Vec::new());
    let mut broken = std::mem::take(&mut table.faults);
    let faults = table.cells(&columns, |row, place, cells| {
        let mut cells = cells.into_iter();
        let mut next = || cells.next().flatten();
        let (Some(first), Some(second)) = (next(), next()) else {
            broken.push(Broken::new(place, "a caption is empty, or not UTF-8"));
            return;
        };
        let named = |column: &str| format!("{place} {column}");
        pairs.push(Quad {
            id: place.clone(),
            group: next().unwrap_or_else(|| "all".to_owned()),
            images: [2 * row, 2 * row + 1],
            texts: [
                texts.add(first, || named(source)),
                texts.add(second, || named(target)),
            ],
        });
    });
    broken.extend(faults);
    Ok(Dataset {
        benchmark: "pairs",
        options: [("captions".to_owned(), captions.name().to_owned())].into(),
        texts,
        records: table.rows(),
        pictures: Pictures::Columns(table, &IMAGES),
        scoring: Box::new(Pairs(quads::unique(pairs, &mut broken))),
        broken,
    })
}
