//! Sets whose folders say everything: MVTec AD, MVTec AD 2, MVTec LOCO.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use serde::Deserialize;

use super::set::{Category, LIMIT_OF_AD_2, LocoSaturation, MaskFile, TestImage, USUAL_LIMIT};
use crate::dataset::files::shown_entries;
use crate::dataset::image_files::is_decoded;
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

/// MVTec AD.
pub fn mvtec(folder: &Path) -> anyhow::Result<Category> {
    let masks = folder.join("ground_truth");
    tested(folder, &folder.join("test"), USUAL_LIMIT, |kind, stem| {
        Ok(mask_of(&masks.join(kind), stem).into_iter().collect())
    })
}

/// MVTec AD 2: only the public part has labels.
pub fn ad2(folder: &Path) -> anyhow::Result<Category> {
    let test = folder.join("test_public");
    let masks = test.join("ground_truth");
    tested(folder, &test, LIMIT_OF_AD_2, |kind, stem| {
        Ok(mask_of(&masks.join(kind), stem).into_iter().collect())
    })
}

/// MVTec LOCO: a folder of masks for each image, whose values name an entry of `defects_config.json`.
pub fn loco(folder: &Path) -> anyhow::Result<Category> {
    let masks = folder.join("ground_truth");
    let saturation = saturation(&folder.join("defects_config.json"))?;
    tested(folder, &folder.join("test"), USUAL_LIMIT, |kind, stem| {
        let files = images(&masks.join(kind).join(stem))?;
        let mask = |file| MaskFile {
            file,
            saturation: Some(saturation.clone()),
        };
        Ok(files.into_iter().map(mask).collect())
    })
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

/// A category whose test images are in folders named after the kind of defect.
fn tested(
    folder: &Path,
    test: &Path,
    limit: f64,
    masks: impl Fn(&str, &str) -> anyhow::Result<Vec<MaskFile>>,
) -> anyhow::Result<Category> {
    let mut category = Category {
        good: images(&folder.join("train/good"))?,
        limit,
        ..Category::default()
    };
    for kind in subfolders(test)? {
        let name = kind.file_name().unwrap_or_default().to_string_lossy();
        if name == "ground_truth" {
            continue;
        }
        let is_good = name == "good";
        for file in images(&kind)? {
            let stem = file.file_stem().unwrap_or_default().to_string_lossy();
            category.test.push(TestImage {
                masks: match is_good {
                    true => Vec::new(),
                    false => masks(&name, &stem)?,
                },
                defect: (!is_good).then(|| name.clone().into_owned()),
                part: None,
                file: file.clone(),
            });
        }
    }
    Ok(category)
}

/// `NAME_mask.png`, or `NAME.png` as converted sets have it.
fn mask_of(folder: &Path, stem: &str) -> Option<MaskFile> {
    let names: HashMap<String, PathBuf> = images(folder)
        .ok()?
        .into_iter()
        .filter_map(|file| Some((file.file_stem()?.to_string_lossy().into_owned(), file)))
        .collect();
    let file = names.get(&format!("{stem}_mask")).or(names.get(stem))?;
    Some(MaskFile {
        file: file.clone(),
        saturation: None,
    })
}

fn subfolders(folder: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let entries = shown_entries(folder)?;
    let paths = entries.into_iter().map(|(entry, _)| entry.path());
    Ok(paths.filter(|path| path.is_dir()).collect())
}

/// The images of a folder; none if there is no such folder.
fn images(folder: &Path) -> anyhow::Result<Vec<PathBuf>> {
    if !folder.is_dir() {
        return Ok(Vec::new());
    }
    let entries = shown_entries(folder)?;
    let paths = entries.into_iter().map(|(entry, _)| entry.path());
    let is_image = |path: &PathBuf| {
        let ending = path.extension().and_then(|ending| ending.to_str());
        path.is_file() && ending.is_some_and(is_decoded)
    };
    Ok(paths.filter(is_image).collect())
}
