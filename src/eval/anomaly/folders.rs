//! Sets whose folders say everything: MVTec AD, MVTec AD 2, MVTec LOCO.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use serde::Deserialize;

use super::set::{Category, LIMIT_OF_AD_2, LocoSaturation, MaskFile, TestImage, USUAL_LIMIT};
use crate::dataset::files::{images_in, shown_entries};
use crate::inspection::metrics::Saturation;

/// The categories below a folder, each read by `read`; a folder without `train/good` is none. The folder itself may be one.
pub fn categories(
    folder: &Path,
    read: fn(&Path) -> anyhow::Result<Category>,
) -> anyhow::Result<Vec<Category>> {
    let mut folders = vec![folder.to_owned()];
    folders.extend(subfolders(folder)?);
    folders.retain(|one| one.join("train/good").is_dir());
    let all = folders.iter().map(|one| {
        let mut category = read(one)?;
        let name = one.canonicalize()?;
        let name = name.file_name().unwrap_or_default();
        category.name = name.to_string_lossy().into_owned();
        Ok(category)
    });
    all.collect()
}

/// Masks of a kind of defect, by the name of their image without its ending.
type Masks = HashMap<String, Vec<MaskFile>>;

/// MVTec AD.
pub fn mvtec(folder: &Path) -> anyhow::Result<Category> {
    let masks = folder.join("ground_truth");
    let masks = |kind: &str| one_for_each(&masks.join(kind));
    tested(folder, &folder.join("test"), USUAL_LIMIT, masks)
}

/// MVTec AD 2: only the public part has labels.
pub fn ad2(folder: &Path) -> anyhow::Result<Category> {
    let test = folder.join("test_public");
    let masks = test.join("ground_truth");
    let masks = |kind: &str| one_for_each(&masks.join(kind));
    tested(folder, &test, LIMIT_OF_AD_2, masks)
}

/// MVTec LOCO: a folder of masks for each image, whose values name an entry of `defects_config.json`.
pub fn loco(folder: &Path) -> anyhow::Result<Category> {
    let masks = folder.join("ground_truth");
    let saturation = saturation(&folder.join("defects_config.json"))?;
    let mask = |file: PathBuf| MaskFile {
        file,
        saturation: Some(saturation.clone()),
    };
    let masks = |kind: &str| {
        let of_images = subfolders(&masks.join(kind))?.into_iter();
        let of_images = of_images.map(|folder| {
            let masks = images_in(&folder)?.into_iter().map(mask);
            Ok((stem(&folder), masks.collect()))
        });
        of_images.collect()
    };
    tested(folder, &folder.join("test"), USUAL_LIMIT, masks)
}

/// `NAME_mask.png`, or `NAME.png` as converted sets have it. There may be no folder: then there are no masks.
fn one_for_each(folder: &Path) -> anyhow::Result<Masks> {
    if !folder.is_dir() {
        return Ok(Masks::new());
    }
    let files = images_in(folder)?.into_iter();
    let masks = files.map(|file| {
        let stem = stem(&file);
        let of_image = stem.strip_suffix("_mask").unwrap_or(&stem).to_owned();
        let mask = MaskFile {
            file,
            saturation: None,
        };
        (of_image, vec![mask])
    });
    Ok(masks.collect())
}

/// A file's name without its ending; a folder's name has none.
fn stem(path: &Path) -> String {
    let stem = match path.is_dir() {
        true => path.file_name(),
        false => path.file_stem(),
    };
    stem.unwrap_or_default().to_string_lossy().into_owned()
}

/// An entry of `defects_config.json`.
#[derive(Deserialize)]
struct DefectConfig {
    pixel_value: u8,
    saturation_threshold: f64,
    relative_saturation: bool,
}

fn saturation(file: &Path) -> anyhow::Result<LocoSaturation> {
    let named = || format!("cannot read {}", file.display());
    let text = std::fs::read(file).with_context(named)?;
    let configs: Vec<DefectConfig> = serde_json::from_slice(&text).with_context(named)?;
    let all = configs.into_iter().map(|one| {
        let saturation = match one.relative_saturation {
            true => Saturation::Share(one.saturation_threshold),
            false => Saturation::Pixels(one.saturation_threshold as usize),
        };
        (one.pixel_value, saturation)
    });
    Ok(LocoSaturation(all.collect()))
}

/// A category whose test images are in folders named after the kind of defect. `masks` gives those of a kind.
fn tested(
    folder: &Path,
    test: &Path,
    limit: f64,
    masks: impl Fn(&str) -> anyhow::Result<Masks>,
) -> anyhow::Result<Category> {
    let mut category = Category {
        good: images_in(&folder.join("train/good"))?,
        limit,
        ..Category::default()
    };
    for kind in subfolders(test)? {
        let name = stem(&kind);
        if name == "ground_truth" {
            continue;
        }
        let is_good = name == "good";
        let mut masks = match is_good {
            true => Masks::new(),
            false => masks(&name)?,
        };
        for file in images_in(&kind)? {
            category.test.push(TestImage {
                masks: masks.remove(&stem(&file)).unwrap_or_default(),
                defect: (!is_good).then(|| name.clone()),
                part: None,
                file,
            });
        }
    }
    Ok(category)
}

fn subfolders(folder: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let entries = shown_entries(folder)?;
    let paths = entries.into_iter().map(|(entry, _)| entry.path());
    Ok(paths.filter(|path| path.is_dir()).collect())
}
