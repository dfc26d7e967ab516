//! DOCCI: `docci_descriptions.jsonlines` with `example_id`, `image_file` (a name in `images/`), `split` and `description`; or the Hub's Parquet
//! with `image`, `example_id` and `description`.

use std::path::Path;

use anyhow::{Context, bail};
use serde_json::Value;

use super::{Entry, Files, Gallery, ONE, Selection, stays_below};
use crate::dataset::parquet::Holds;
use crate::eval::Broken;
use crate::eval::json::lines;
use crate::eval::pictures::Pictures;
use crate::eval::rows::Table;
use crate::eval::texts::Texts;

const DESCRIPTIONS: &str = "docci_descriptions.jsonlines";

pub fn read(path: &Path, selection: &Selection) -> anyhow::Result<Gallery> {
    let descriptions = path.join(DESCRIPTIONS);
    if descriptions.is_file() {
        from_lines(path, &descriptions, selection)
    } else {
        if selection.first.is_some() {
            bail!("--first is not for Parquet");
        }
        from_parquet(path).with_context(|| format!("neither {DESCRIPTIONS} nor usable Parquet"))
    }
}

fn from_lines(folder: &Path, path: &Path, selection: &Selection) -> anyhow::Result<Gallery> {
    let images = match &selection.images {
        Some(folder) => folder.clone(),
        None => folder.join("images"),
    };
    let mut files = Files::new(ONE);
    for (place, line) in lines(path)? {
        if files.full(selection) {
            break;
        }
        let value = match line {
            Ok(value) => value,
            Err(reason) => {
                files.broken(place, reason);
                continue;
            }
        };
        let text = |name: &str| value.get(name).and_then(Value::as_str);
        if text("split").is_some_and(|split| split != selection.split) {
            continue;
        }
        match (text("example_id"), text("image_file"), text("description")) {
            (Some(id), Some(name), Some(description)) if stays_below(name) => {
                let captions = vec![vec![description.trim().to_owned()]];
                files.add(&place, id.to_owned(), images.join(name), captions);
            }
            _ => files.broken(
                place,
                "example_id, image_file and description must be strings",
            ),
        }
    }
    if files.records == 0 {
        bail!(
            "{}: no line has the split {}",
            path.display(),
            selection.split
        );
    }
    Ok(files.finish())
}

fn from_parquet(path: &Path) -> anyhow::Result<Gallery> {
    let mut table = Table::open(path)?;
    table.require("image", Holds::Images)?;
    table.require("description", Holds::Texts)?;
    table.require("example_id", Holds::Ids)?;
    let (mut texts, mut entries) = (Texts::default(), Vec::new());
    let mut broken = std::mem::take(&mut table.faults);
    let faults = table.cells(&["example_id", "description"], |row, place, cells| {
        let Ok([Some(id), Some(text)]) = <[_; 2]>::try_from(cells) else {
            broken.push(Broken::new(place, "example_id or description is empty"));
            return;
        };
        entries.push(Entry {
            id,
            image: row,
            captions: vec![vec![texts.add(text.trim().to_owned(), || place)]],
        });
    });
    broken.extend(faults);
    Ok(Gallery {
        kinds: ONE,
        texts,
        records: table.rows(),
        pictures: Pictures::Columns(table, &["image"]),
        entries,
        broken,
    })
}
