//! Pairs of edits in UltraEdit's columns, scored like MMVP-VLM: the measure of CLIP-IN's training goal.

use std::path::Path;

use super::mmvp::Pairs;
use super::pictures::Pictures;
use super::quads::{self, Quad};
use super::rows::Table;
use super::texts::Texts;
use super::{Broken, Dataset};
use crate::dataset::parquet::Holds;

/// The columns of the images.
pub(super) const IMAGES: [&str; 2] = ["source_image", "edited_image"];

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

/// One edit of a table.
pub(super) struct Edit {
    /// Its row.
    pub row: usize,
    /// Its place, for messages.
    pub place: String,
    /// Its category, if the data has some.
    pub group: String,
    /// The captions of source and edited image.
    pub captions: [String; 2],
}

/// Opens the Parquet files that have edits.
pub(super) fn table(path: &Path) -> anyhow::Result<Table> {
    let mut table = Table::open(path)?;
    for other in table.leave_out_without(&IMAGES) {
        message!("note: {other} has no edits and is left out");
    }
    for name in IMAGES {
        table.require(name, Holds::Images)?;
    }
    Ok(table)
}

/// Reads the captions of all edits; those that cannot be read are added to `broken`.
pub(super) fn edits(
    table: &Table,
    captions: Captions,
    broken: &mut Vec<Broken>,
) -> anyhow::Result<Vec<Edit>> {
    let mut columns = captions.columns().to_vec();
    for name in &columns {
        table.require(name, Holds::Texts)?;
    }
    if table.has("category", Holds::Texts) {
        columns.push("category");
    }
    let mut found = Vec::new();
    let faults = table.cells(&columns, |row, place, cells| {
        let mut cells = cells.into_iter();
        let mut next = || cells.next().flatten();
        let (Some(source), Some(target)) = (next(), next()) else {
            broken.push(Broken::new(place, "a caption is empty, or not UTF-8"));
            return;
        };
        let group = next().unwrap_or_else(|| "all".to_owned());
        let captions = [source, target];
        found.push(Edit {
            row,
            place,
            group,
            captions,
        });
    });
    broken.extend(faults);
    Ok(found)
}

pub fn open(path: &Path, captions: Captions) -> anyhow::Result<Dataset> {
    let mut table = table(path)?;
    let mut broken = std::mem::take(&mut table.faults);
    let mut texts = Texts::default();
    let columns = captions.columns();
    let mut pairs = Vec::new();
    for edit in edits(&table, captions, &mut broken)? {
        let [first, second] = edit.captions;
        let named = |column: &str| format!("{} {column}", edit.place);
        let texts = [
            texts.add(first, || named(columns[0])),
            texts.add(second, || named(columns[1])),
        ];
        pairs.push(Quad {
            id: edit.place,
            group: edit.group,
            images: [2 * edit.row, 2 * edit.row + 1],
            texts,
        });
    }
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
