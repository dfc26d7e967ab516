//! How good scores and maps are, against what is known of the pictures: the measures of the papers, exactly.
//!
//! Everything is computed in float64. A score is high where a part is unlike the OK ones.

mod image;
mod pixel;
mod saturation;

pub use image::{Counts, F1Max, auroc, counts_at, f1_max, presorted_bad, presorted_good, quantile};
pub use pixel::{PixelMeasure, PixelMeasureError};
pub use saturation::Saturation;

#[cfg(test)]
mod tests;
