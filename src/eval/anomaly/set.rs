//! A set of parts: categories with good images to learn from, and images to test.

use std::path::PathBuf;

use anyhow::bail;

use crate::inspection::metrics::Saturation;

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

impl Category {
    /// Sorts the files, so that an order on disk changes nothing.
    ///
    /// # Errors
    /// Nothing to learn from, or nothing to tell apart.
    pub fn check(&mut self) -> anyhow::Result<()> {
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
