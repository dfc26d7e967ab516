//! What a model learnt from the images of a reference, and what a comparison needs of it.

use std::sync::{Arc, OnceLock};

use serde::{Deserialize, Serialize};

use super::base64_bytes;
use super::definition::learnt_bytes;
use super::frame::Frame;
use crate::inspection::masks::Mask;
use crate::inspection::reference::{Grid, OkStatistics, ReferenceModel};
use crate::inspection::registration::{GreyImage, RegistrationReference, RegistrationSettings};
use crate::inspection::{InspectionError, Transform};
use crate::named::Storable;
use crate::preprocess::ImageOptions;

use super::layers::Layer;

/// Features see this many pixels around them: patches that are closer to a place that was not photographed are not compared.
const AROUND: f64 = 8.0;

/// What was learnt, by one model.
#[derive(Debug, Serialize, Deserialize)]
pub struct Learnt {
    /// Name of the model.
    pub model: String,
    /// The model's content: see [`crate::engine::Model::fingerprint`].
    pub fingerprint: String,
    /// How the images were read.
    pub image_options: ImageOptions,
    /// The sizes.
    pub frame: Frame,
    /// Number of images.
    pub images: usize,
    /// The mean direction of the images' embeddings.
    pub embedding: Vec<f32>,
    /// The names of the layers.
    pub layers: Vec<String>,
    /// Below this similarity a picture is in another pose.
    pub pose_below: f64,
    /// Whether the images show a part that lies in the same way in all of them, and not a pattern such as a weave. Pictures of
    /// a pattern are not aligned.
    #[serde(default = "lies_still")]
    pub lies_still: bool,
    /// For each layer, which positions of its grid are compared; `None`: all.
    pub kept: Option<Vec<Vec<bool>>>,
    /// What is known of the maps.
    pub statistics: OkStatistics,
    /// The first image.
    pub first: Brightness,
    #[serde(skip)]
    fitted: OnceLock<Arc<Fitted>>,
}

/// What was stored before patterns were told from parts was aligned.
fn lies_still() -> bool {
    true
}

/// A picture in shades of grey, at the size at which pictures are aligned.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Brightness {
    width: usize,
    height: usize,
    /// One byte a pixel.
    #[serde(with = "base64_bytes")]
    pixels: Vec<u8>,
}

/// What a comparison needs: made from what was learnt when it is first asked for, in a tenth of a second.
#[derive(Debug)]
pub struct Fitted {
    /// Compares maps.
    pub model: ReferenceModel,
    /// Aligns pictures.
    pub registration: RegistrationReference,
}

impl Brightness {
    /// Of a picture.
    pub fn of(image: &GreyImage) -> Self {
        let byte = |value: &f32| (value * 255.0).round() as u8;
        Self {
            width: image.width(),
            height: image.height(),
            pixels: image.values().iter().map(byte).collect(),
        }
    }

    /// For aligning pictures with it; a similarity below `pose_below` is another pose. Pictures of a pattern, which does not
    /// lie still, are never aligned and never in another pose.
    ///
    /// # Errors
    /// [`InspectionError`] if a stored picture is incomplete.
    pub fn registration(
        &self,
        pose_below: f64,
        lies_still: bool,
    ) -> Result<RegistrationReference, InspectionError> {
        let values = self.pixels.iter().map(|byte| f32::from(*byte) / 255.0);
        let picture = GreyImage::new(self.width, self.height, values.collect())?;
        let settings = RegistrationSettings {
            pose_below: if lies_still { pose_below } else { -1.0 },
            corrects: lies_still,
            ..RegistrationSettings::default()
        };
        RegistrationReference::new(&picture, settings)
    }
}

/// The parts of [`Learnt`] besides what is fitted.
pub struct Parts {
    pub model: String,
    pub fingerprint: String,
    pub image_options: ImageOptions,
    pub frame: Frame,
    pub images: usize,
    pub embedding: Vec<f32>,
    pub layers: Vec<String>,
    pub pose_below: f64,
    pub lies_still: bool,
    pub kept: Option<Vec<Vec<bool>>>,
    pub statistics: OkStatistics,
    pub first: Brightness,
}

impl From<Parts> for Learnt {
    fn from(parts: Parts) -> Self {
        Self {
            model: parts.model,
            fingerprint: parts.fingerprint,
            image_options: parts.image_options,
            frame: parts.frame,
            images: parts.images,
            embedding: parts.embedding,
            layers: parts.layers,
            pose_below: parts.pose_below,
            lies_still: parts.lies_still,
            kept: parts.kept,
            statistics: parts.statistics,
            first: parts.first,
            fitted: OnceLock::new(),
        }
    }
}

impl Learnt {
    /// What a comparison needs. The first call takes a tenth of a second.
    ///
    /// # Errors
    /// [`InspectionError`] if what was stored is degenerate.
    pub fn fitted(&self) -> Result<Arc<Fitted>, InspectionError> {
        if let Some(fitted) = self.fitted.get() {
            return Ok(fitted.clone());
        }
        let fitted = Arc::new(Fitted {
            model: self.statistics.fit()?,
            registration: self.first.registration(self.pose_below, self.lies_still)?,
        });
        // Of two that were made at the same time, one is used.
        Ok(self.fitted.get_or_init(|| fitted).clone())
    }

    /// Whether [`Learnt::fitted`] is quick.
    pub fn is_fitted(&self) -> bool {
        self.fitted.get().is_some()
    }
}

impl Storable for Learnt {
    fn bytes(&self) -> usize {
        learnt_bytes(self.frame.input.0 * self.frame.input.1)
    }
}

/// The grid of each layer.
pub fn grids(layers: &[Layer]) -> impl Iterator<Item = Grid> {
    let grid = |layer: &Layer| Grid::new(layer.shape, &layer.settings.sampling);
    layers.iter().map(grid)
}

/// For each layer, which positions of its grid are looked at and lie inside the posted picture; `None`: all. `inside` has a
/// value for each pixel of the frame's input.
pub fn compared(
    grids: impl Iterator<Item = Grid>,
    frame: &Frame,
    kept: Option<&[Vec<bool>]>,
    inside: Option<&[bool]>,
) -> Option<Vec<Vec<bool>>> {
    let Some(inside) = inside.filter(|inside| inside.contains(&false)) else {
        return kept.map(<[_]>::to_vec);
    };
    let (width, height) = frame.input;
    let is_inside = |x: f64, y: f64| {
        let at = |value: f64, side: usize| value.clamp(0.0, side as f64 - 1.0) as usize;
        inside
            .get(at(y, height) * width + at(x, width))
            .is_some_and(|inside| *inside)
    };
    let of_layer = |(index, grid): (usize, Grid)| {
        if is_whole(&grid) {
            return vec![true];
        }
        let to_input = grid.to_input(frame.input);
        let kept = kept.and_then(|kept| kept.get(index));
        let position = |position: usize| {
            let (row, column) = grid.at(position);
            let (x, y) = to_input.apply(column as f64, row as f64);
            let corners = [(-1.0, -1.0), (1.0, -1.0), (-1.0, 1.0), (1.0, 1.0)];
            corners
                .iter()
                .all(|(right, down)| is_inside(x + right * AROUND, y + down * AROUND))
                && kept.is_none_or(|kept| kept.get(position).is_some_and(|kept| *kept))
        };
        (0..grid.len()).map(position).collect()
    };
    Some(grids.enumerate().map(of_layer).collect())
}

/// Whether a layer says one thing about the whole picture: nothing of it can be left out.
fn is_whole(grid: &Grid) -> bool {
    grid.len() == 1
}

/// For each layer, which positions of its grid a mask in pixels of the frame's input keeps.
///
/// # Errors
/// [`InspectionError::Mask`] if it keeps none.
pub fn masked(
    grids: impl Iterator<Item = Grid>,
    frame: &Frame,
    mask: &Mask,
) -> Result<Vec<Vec<bool>>, InspectionError> {
    let positions = |grid: Grid| match is_whole(&grid) {
        true => Ok(vec![true]),
        false => mask.positions(&grid, frame.input, &Transform::IDENTITY),
    };
    grids.map(positions).collect()
}
