//! What the patches of a layer are compared with, and how far they are from it.

use super::gaussian::Gaussian;
use super::places::PlaceGaussians;

/// What a layer of a picture is compared with.
#[derive(Debug, Clone)]
pub(super) struct Fitted {
    pub(super) gaussian: Gaussian,
    pub(super) places: Option<PlaceGaussians>,
}

/// How far the patches of a picture are from OK ones, a value a patch.
#[derive(Debug, Clone, Default)]
pub(super) struct Distances {
    /// From all OK patches, smoothed.
    pub(super) smoothed: Vec<f32>,
    /// From those at their places; empty if places are not compared.
    pub(super) of_places: Vec<Option<f32>>,
}
