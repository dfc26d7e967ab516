//! What OK parts look like: learnt from the features of OK images, one at a time, without training.

mod fitted;
mod gaussian;
mod layer;
mod layer_statistics;
mod memory;
mod model;
mod moments;
mod patches;
mod places;
mod statistics;

pub use gaussian::{Gaussian, Whitened};
pub use layer::{LayerSettings, PartKind, PartName};
pub use layer_statistics::{ImageFeatures, ImagePatches};
pub use memory::{Memory, MemorySettings};
pub use model::{Comparison, PartScore, PatchMap, ReferenceModel};
pub use moments::Moments;
pub use patches::{Grid, Patches, Sampling};
pub use places::{PlaceGaussians, Places};
pub use statistics::OkStatistics;

#[cfg(test)]
mod tests;
