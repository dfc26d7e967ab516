//! The measures of a category.

use serde::{Deserialize, Serialize};

use super::set::Category;
use crate::inspection::metrics::{
    PixelMeasure, auroc, counts_at, f1_max, presorted_bad, presorted_good,
};

/// Share of the parts of a class that may pass the wrong way, in [`CategoryResult::pg2`] and [`CategoryResult::pb2`].
pub const ALLOWED: f64 = 0.02;

/// What was measured on one category with one choice of references. Shares are from 0 to 1.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CategoryResult {
    /// Name of the category.
    pub category: String,
    /// Number of references.
    pub shots: usize,
    /// Seed of their choice.
    pub seed: u64,
    /// Number of good and of defective test images.
    pub images: [usize; 2],
    /// Area under the ROC curve over images.
    pub auroc: Option<f64>,
    /// The same over parts, if several images show a part: its score is the highest of its images.
    pub auroc_of_parts: Option<f64>,
    /// Share of the good images below the 2 % quantile of the defective ones.
    pub pg2: Option<f64>,
    /// Share of the defective images above the 98 % quantile of the good ones.
    pub pb2: Option<f64>,
    /// The highest F1 of all thresholds, chosen on the test images.
    pub f1_max: Option<f64>,
    /// F1 of the threshold that references alone set: less like them than any of them was like the others (rank 1).
    pub f1_shipped: f64,
    /// AU-PRO of the maps up to `limit`; AU-sPRO for MVTec LOCO. None without masks or maps.
    pub au_pro: Option<f64>,
    /// Share of false positives up to which `au_pro` is integrated.
    pub limit: f64,
    /// Median time of a comparison, one after the other, in milliseconds.
    pub milliseconds: f64,
}

/// A compared test image.
#[derive(Debug, Clone)]
pub struct Tested {
    /// Its index among the test images of the category.
    pub index: usize,
    /// How unlike the references it is.
    pub score: f64,
    /// The share of good images with a lower score.
    pub rank: f64,
    /// Time of the comparison, in milliseconds.
    pub milliseconds: f64,
}

/// A number of each good and of each defective image.
pub fn by_class(
    category: &Category,
    tested: &[Tested],
    number: impl Fn(&Tested) -> f64,
) -> [Vec<f64>; 2] {
    let [mut ok, mut ng] = [Vec::new(), Vec::new()];
    for one in tested {
        match category.test.get(one.index) {
            Some(image) if image.defect.is_some() => ng.push(number(one)),
            _ => ok.push(number(one)),
        }
    }
    [ok, ng]
}

/// Measures a category.
pub fn measure(
    category: &Category,
    (shots, seed): (usize, u64),
    tested: &[Tested],
    pixels: &PixelMeasure,
) -> CategoryResult {
    let [ok, ng] = by_class(category, tested, |one| one.score);
    let [ok_ranks, ng_ranks] = by_class(category, tested, |one| one.rank);
    let mut times: Vec<f64> = tested.iter().map(|one| one.milliseconds).collect();
    times.sort_by(f64::total_cmp);
    CategoryResult {
        category: category.name.clone(),
        shots,
        seed,
        images: [ok.len(), ng.len()],
        auroc: auroc(&ok, &ng),
        auroc_of_parts: of_parts(category, tested),
        pg2: presorted_good(&ok, &ng, ALLOWED),
        pb2: presorted_bad(&ok, &ng, ALLOWED),
        f1_max: f1_max(&ok, &ng).map(|found| found.f1),
        f1_shipped: counts_at(1.0, &ok_ranks, &ng_ranks).f1(),
        au_pro: pixels.area(category.limit),
        limit: category.limit,
        milliseconds: times.get(times.len() / 2).copied().unwrap_or_default(),
    }
}

/// A part is defective if one of its images is.
fn of_parts(category: &Category, tested: &[Tested]) -> Option<f64> {
    let mut parts = std::collections::BTreeMap::new();
    for one in tested {
        let image = category.test.get(one.index)?;
        let part = image.part.as_deref()?;
        let (score, is_defective) = parts.entry(part).or_insert((f64::NEG_INFINITY, false));
        *score = one.score.max(*score);
        *is_defective |= image.defect.is_some();
    }
    let of = |class: bool| -> Vec<f64> {
        let class = parts
            .values()
            .filter(|(_, is_defective)| *is_defective == class);
        class.map(|(score, _)| *score).collect()
    };
    auroc(&of(false), &of(true))
}
