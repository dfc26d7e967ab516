//! Golden embeddings: a few images and texts with the embeddings that PyTorch computed at export. For an imported model, its
//! graphs computed them at import.
//!
//! The server computes them again before it reports ready, so a ready server agrees with training.

use serde::{Deserialize, Serialize};

use super::{Bundle, BundleError, Variant};
use crate::matching::dot;

/// Content of `golden.json`.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Golden {
    /// Images with their embeddings.
    pub images: Vec<GoldenImage>,
    /// Texts with their embeddings.
    pub texts: Vec<GoldenText>,
}

/// An image file and its embedding.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GoldenImage {
    /// File name inside the bundle.
    pub file: String,
    /// Its embedding at export.
    pub embedding: Vec<f32>,
}

/// A text and its embedding.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GoldenText {
    /// The text as a client would send it.
    pub text: String,
    /// Its embedding at export.
    pub embedding: Vec<f32>,
}

impl Golden {
    /// Reads the bundle's golden embeddings. An empty set is an error, because it would prove nothing.
    pub fn read(bundle: &Bundle) -> Result<Self, BundleError> {
        let golden: Self = bundle.read_json(&bundle.manifest.golden)?;
        let width = bundle.manifest.embedding_dim;
        let images = golden.images.iter().map(|image| image.embedding.len());
        let widths_fit = images
            .chain(golden.texts.iter().map(|text| text.embedding.len()))
            .all(|n| n == width);
        if golden.images.is_empty() || golden.texts.is_empty() || !widths_fit {
            let path = bundle.resolve(&bundle.manifest.golden)?;
            let reason = format!(
                "needs at least one image and one text, each with an embedding of {width} numbers"
            );
            return Err(BundleError::Content { path, reason });
        }
        Ok(golden)
    }
}

/// Compares one embedding with the golden one; returns 1 − cosine.
///
/// # Errors
/// [`BundleError::Golden`] if the distance exceeds the variant's tolerance or is not a number.
pub fn compare(
    variant: &Variant,
    item: &str,
    expected: &[f32],
    found: &[f32],
) -> Result<f64, BundleError> {
    let cosine = dot(expected, found) / (dot(expected, expected) * dot(found, found)).sqrt();
    let distance = 1.0 - cosine;
    // Written so that NaN fails.
    if distance <= variant.golden_tolerance {
        return Ok(distance.max(0.0));
    }
    Err(BundleError::Golden {
        variant: variant.precision.clone(),
        item: item.to_owned(),
        distance,
        tolerance: variant.golden_tolerance,
    })
}
