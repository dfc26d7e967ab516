//! Pairs that one of two models is right about and the other is not, with their pictures.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use anyhow::Context as _;

use super::set::EvalSet;
use crate::dataset::pipeline::Closed;
use crate::eval::pairs::{self, Captions, IMAGES};
use crate::eval::report::Report;
use crate::preprocess::Format;

/// Pairs that are shown of each kind and set, at most.
const MOST: usize = 12;

/// What decides: both directions of a pair.
const OUTCOME: &str = "both_ways";

/// A pair on which the models differ.
#[derive(Debug)]
pub struct Shown {
    /// Its place in the set.
    pub place: String,
    /// Whether the candidate is right, and the baseline is not.
    pub better: bool,
    /// The files of source and edited image, relative to the page.
    pub files: [Option<PathBuf>; 2],
    /// Their captions.
    pub captions: [String; 2],
}

/// Writes the pictures of pairs on which the models differ into `out/pictures`. The first ones of the set are shown.
pub fn write(
    set: &EvalSet,
    baseline: &[Report],
    candidate: &[Report],
    out: &Path,
) -> anyhow::Result<Vec<Shown>> {
    let (Some(before), Some(after)) = (right(baseline), right(candidate)) else {
        return Ok(Vec::new());
    };
    let table = pairs::table(&set.path)?;
    let (mut shown, mut rows) = (Vec::new(), HashMap::new());
    let (mut better_ones, mut worse_ones) = (0, 0);
    for edit in pairs::edits(&table, Captions::Short, &mut Vec::new())? {
        let (Some(was), Some(is)) = (before.get(&edit.place), after.get(&edit.place)) else {
            continue;
        };
        let better = *is && !was;
        let count = if better {
            &mut better_ones
        } else {
            &mut worse_ones
        };
        if was == is || *count >= MOST {
            continue;
        }
        *count += 1;
        rows.insert(edit.row, shown.len());
        shown.push(Shown {
            place: edit.place,
            better,
            files: [None, None],
            captions: edit.captions,
        });
    }
    if shown.is_empty() {
        return Ok(shown);
    }
    let folder = Path::new("pictures").join(folder_of(&set.name));
    let target = out.join(&folder);
    std::fs::create_dir_all(&target)
        .with_context(|| format!("cannot create {}", target.display()))?;
    let mut failed = None;
    let mut take = |picture: crate::eval::rows::Picture| {
        let number = rows.get(&picture.row).copied();
        let slot = number.and_then(|number| shown.get_mut(number)?.files.get_mut(picture.column));
        let (Some(number), Some(slot), Some(bytes)) = (number, slot, picture.bytes) else {
            return Ok(());
        };
        let side = if picture.column == 0 {
            "source"
        } else {
            "edited"
        };
        let kind = Format::of(&bytes).map_or("image/unknown", Format::media_type);
        let ending = kind.trim_start_matches("image/");
        let file = folder.join(format!("{number}-{side}.{ending}"));
        if let Err(error) = std::fs::write(out.join(&file), &bytes) {
            let error = anyhow::Error::from(error);
            failed = Some(error.context(format!("cannot write {}", out.join(&file).display())));
            return Err(Closed);
        }
        *slot = Some(file);
        Ok(())
    };
    // What cannot be read is not shown; the reports count it as broken.
    let read = table.images(&IMAGES, &mut |found| found.map_or(Ok(()), &mut take));
    match (read, failed) {
        (Err(Closed), Some(error)) => Err(error),
        _ => Ok(shown),
    }
}

/// Which pairs a model is right about, by place.
fn right(reports: &[Report]) -> Option<HashMap<String, bool>> {
    let is_pairs = |report: &&Report| {
        report.benchmark == "pairs"
            && report
                .options
                .get("captions")
                .is_some_and(|it| it == "short")
    };
    let report = reports.iter().find(is_pairs)?;
    let items = report.items.iter().map(|item| {
        let outcome = item.outcomes.get(OUTCOME);
        (item.id.clone(), outcome.is_some_and(|it| it.right == it.of))
    });
    Some(items.collect())
}

/// A folder name of a path.
fn folder_of(name: &str) -> String {
    let plain = |letter: char| {
        if letter.is_ascii_alphanumeric() {
            letter
        } else {
            '-'
        }
    };
    let name: String = name.chars().map(plain).collect();
    name.trim_matches('-').to_owned()
}
