//! A set of parts: categories with good images to learn from, and images to test.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use clap::ValueEnum;

use super::{folders, tables};
use crate::inspection::metrics::Saturation;

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

/// A set, with its layout.
#[derive(Debug)]
pub struct AnomalySet {
    /// The name of the layout.
    pub layout: &'static str,
    /// Its folder: names of images do not depend on it.
    pub folder: PathBuf,
    /// Its categories, by name.
    pub categories: Vec<Category>,
}

/// A kind of parts.
#[derive(Debug, Clone, Default)]
pub struct Category {
    /// Its name.
    pub name: String,
    /// Good images that may be references.
    pub good: Vec<PathBuf>,
    /// Images to test.
    pub test: Vec<TestImage>,
    /// AU-PRO is integrated up to this share of false positives.
    pub limit: f64,
}

/// An image to test.
#[derive(Debug, Clone)]
pub struct TestImage {
    /// Its file.
    pub file: PathBuf,
    /// The kind of its defect; none of a good part.
    pub defect: Option<String>,
    /// Where its defects are; several in MVTec LOCO.
    pub masks: Vec<MaskFile>,
    /// The part that it shows, if several views show one.
    pub part: Option<String>,
}

/// A mask: a defect where a pixel is not 0.
#[derive(Debug, Clone)]
pub struct MaskFile {
    /// Its file.
    pub file: PathBuf,
    /// How much of it has to be found; without, each connected component is a region of its own.
    pub saturation: Option<LocoSaturation>,
}

/// The saturation of a mask of MVTec LOCO, by the value of its pixels.
#[derive(Debug, Clone)]
pub struct LocoSaturation(pub Vec<(u8, Saturation)>);

/// The usual limit of AU-PRO, and that of MVTec AD 2.
pub const USUAL_LIMIT: f64 = 0.3;
/// See [`USUAL_LIMIT`].
pub const LIMIT_OF_AD_2: f64 = 0.05;

impl AnomalySet {
    /// Reads the names of all files. `only` are the categories that are wanted; all if it is empty.
    ///
    /// # Errors
    /// A set of another layout, or without a category that is wanted; the message names what is missing.
    pub fn open(folder: &Path, layout: AnomalyLayout, only: &[String]) -> anyhow::Result<Self> {
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
        Ok(Self {
            layout,
            folder: folder.to_owned(),
            categories,
        })
    }
}

impl Category {
    /// Sorts the files, so that an order on disk changes nothing.
    fn check(&mut self) -> anyhow::Result<()> {
        self.good.sort();
        self.test.sort_by(|a, b| a.file.cmp(&b.file));
        if self.good.is_empty() {
            bail!("no good images to learn from");
        }
        let defective = self.test.iter().filter(|image| image.defect.is_some());
        let defective = defective.count();
        if defective == 0 || defective == self.test.len() {
            bail!("the test images are not both good and defective");
        }
        Ok(())
    }
}
