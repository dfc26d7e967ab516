//! The check of the features of a bundle: what PyTorch computed at export.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::manifest::FeaturesSide;
use super::{Bundle, BundleError};

/// The golden values of features: sampled numbers of a few images, as PyTorch computed them at export.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GoldenFeatures {
    /// The images.
    pub images: Vec<GoldenMaps>,
}

/// An image with its sampled features.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GoldenMaps {
    /// File name inside the bundle.
    pub file: String,
    /// Height and width to which it is resized.
    pub size: [usize; 2],
    /// Numbers of each output, by name.
    pub outputs: BTreeMap<String, Sampled>,
}

/// Numbers of one output.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Sampled {
    /// Places in the flattened output `[channels, rows, columns]`.
    pub indices: Vec<usize>,
    /// The numbers there.
    pub values: Vec<f32>,
}

impl GoldenFeatures {
    /// Reads the golden values of a bundle with features. Without a number for every output they are an error, because they
    /// would prove nothing.
    ///
    /// # Errors
    /// [`BundleError::Content`] or [`BundleError::Unreadable`].
    pub fn read(bundle: &Bundle, side: &FeaturesSide) -> Result<Self, BundleError> {
        let golden: Self = bundle.read_json(&side.golden)?;
        let complete = |image: &GoldenMaps| {
            side.outputs.iter().all(|output| {
                let sampled = image.outputs.get(&output.name);
                sampled.is_some_and(|s| !s.values.is_empty() && s.values.len() == s.indices.len())
            })
        };
        let content = |reason: String| {
            let path = bundle.resolve(&side.golden)?;
            Err(BundleError::Content { path, reason })
        };
        if golden.images.is_empty() || !golden.images.iter().all(complete) {
            return content("needs at least one image, with numbers of every output".to_owned());
        }
        match golden
            .images
            .iter()
            .find_map(|image| side.check_size(image.size).err())
        {
            Some(reason) => content(reason),
            None => Ok(golden),
        }
    }
}

impl Sampled {
    /// ‖found − expected‖ / ‖expected‖ over the sampled numbers of a flattened output; infinite if a place does not exist.
    #[must_use]
    pub fn distance(&self, found: &[f32]) -> f64 {
        let (mut off, mut length) = (0.0, 0.0);
        for (index, expected) in self.indices.iter().zip(&self.values) {
            let Some(value) = found.get(*index) else {
                return f64::INFINITY;
            };
            off += (f64::from(*value) - f64::from(*expected)).powi(2);
            length += f64::from(*expected).powi(2);
        }
        (off / length.max(f64::MIN_POSITIVE)).sqrt()
    }
}
