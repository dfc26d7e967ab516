//! Opens a set in one of the layouts of public sets.

use std::path::Path;

use anyhow::{Context as _, bail};
use clap::ValueEnum;

use super::set::AnomalySet;
use super::{folders, tables};

/// How a set lies on disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum AnomalyLayout {
    /// MVTec AD, and sets that were converted to it: train/good, test/KIND, ground_truth/KIND/NAME_mask.png
    Mvtec,
    /// MVTec AD 2: train/good, test_public/{good,bad}, test_public/ground_truth/bad/NAME_mask.png
    MvtecAd2,
    /// MVTec LOCO: ground_truth/KIND/NAME/*.png, and defects_config.json
    Loco,
    /// VisA: split_csv/1cls.csv names all images and masks
    Visa,
    /// Real-IAD: realiad_jsons/CATEGORY.json
    RealIad,
    /// meta.json of many collections: train and test, by category, with img_path, mask_path and anomaly
    MetaJson,
}

/// Reads the names of all files. `only` are the categories that are wanted; all if it is empty.
///
/// # Errors
/// A set of another layout, or without a category that is wanted; the message names what is missing.
pub fn open(folder: &Path, layout: AnomalyLayout, only: &[String]) -> anyhow::Result<AnomalySet> {
    let (layout, mut categories) = match layout {
        AnomalyLayout::Mvtec => ("mvtec", folders::categories(folder, folders::mvtec)?),
        AnomalyLayout::MvtecAd2 => ("mvtec-ad2", folders::categories(folder, folders::ad2)?),
        AnomalyLayout::Loco => ("loco", folders::categories(folder, folders::loco)?),
        AnomalyLayout::Visa => ("visa", tables::visa(folder)?),
        AnomalyLayout::RealIad => ("real-iad", tables::real_iad(folder)?),
        AnomalyLayout::MetaJson => ("meta-json", tables::meta_json(folder)?),
    };
    categories.sort_by(|a, b| a.name.cmp(&b.name));
    if !only.is_empty() {
        let names: Vec<_> = categories.iter().map(|one| one.name.clone()).collect();
        if let Some(missing) = only.iter().find(|name| !names.contains(name)) {
            bail!(
                "{} has no category {missing}; it has {}",
                folder.display(),
                names.join(", ")
            );
        }
        categories.retain(|one| only.contains(&one.name));
    }
    if categories.is_empty() {
        bail!("{} has no category in this layout", folder.display());
    }
    for one in &mut categories {
        one.check()
            .with_context(|| format!("category {}", one.name))?;
    }
    Ok(AnomalySet {
        layout,
        folder: folder.to_owned(),
        categories,
    })
}
