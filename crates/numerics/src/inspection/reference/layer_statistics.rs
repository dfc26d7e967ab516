//! What is known of one layer of the OK images, and the patches that a picture has in it.

use super::gaussian::Gaussian;
use super::layer::LayerSettings;
use super::memory::Memory;
use super::moments::Moments;
use super::patches::Patches;
use crate::inspection::error::InspectionError;
use crate::inspection::feature_map::{FeatureMap, Shape};
use crate::inspection::scale::Histogram;
use serde::{Deserialize, Serialize};

/// The features of one picture.
#[derive(Debug, Clone, Copy)]
pub struct ImageFeatures<'a> {
    /// A map for each layer, in the order of the settings.
    pub layers: &'a [FeatureMap<'a>],
    /// For each layer which positions of its [`Grid`](super::Grid) are compared; `None`: all.
    pub keep: Option<&'a [Vec<bool>]>,
}

/// The compared patches of one picture, of every layer: a fraction of its features, for pictures that are needed twice.
#[derive(Debug, Clone)]
pub struct ImagePatches(pub(super) Vec<Patches>);

/// What is known of one layer.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct LayerStatistics {
    pub(super) settings: LayerSettings,
    pub(super) shape: Shape,
    pub(super) moments: Moments,
    pub(super) memory: Option<Memory>,
    /// Smoothed distances of the patches of held-out images.
    pub(super) distances: Histogram,
}

impl LayerStatistics {
    fn patches(
        &self,
        map: &FeatureMap<'_>,
        keep: Option<&[bool]>,
    ) -> Result<Patches, InspectionError> {
        if map.shape() != self.shape {
            return Err(InspectionError::Shape {
                what: "a feature map",
                expected: format!("{} of the reference", self.shape),
                found: map.shape().to_string(),
            });
        }
        Patches::new(map, &self.settings.sampling, keep)
    }

    /// The Gaussian of these moments, by the settings of the layer.
    pub(super) fn gaussian(&self, moments: &Moments) -> Result<Gaussian, InspectionError> {
        Gaussian::fit(moments, self.settings.ridge, self.settings.explained)
    }
}

/// The patches of every layer of a picture.
pub(super) fn patches(
    layers: &[LayerStatistics],
    image: &ImageFeatures<'_>,
) -> Result<Vec<Patches>, InspectionError> {
    let wrong = |what, found: usize| InspectionError::Length {
        what,
        expected: layers.len(),
        found,
    };
    if image.layers.len() != layers.len() {
        return Err(wrong("the list of feature maps", image.layers.len()));
    }
    if let Some(keep) = image.keep.filter(|keep| keep.len() != layers.len()) {
        return Err(wrong("the list of masks", keep.len()));
    }
    let of = |(index, layer): (usize, &LayerStatistics)| {
        layer.patches(
            &image.layers[index],
            image.keep.map(|keep| keep[index].as_slice()),
        )
    };
    layers.iter().enumerate().map(of).collect()
}
