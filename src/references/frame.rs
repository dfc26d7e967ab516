//! The size at which pictures are compared with a reference, and where its pixels lie.

use serde::{Deserialize, Serialize};

use super::error::ReferenceError;
use crate::engine::Model;
use crate::inspection::Transform;
use crate::preprocess::{self, Interpolation, RgbImage};

/// How much the ratio of width to height may differ from the reference's: what is squeezed by more looks like another part.
const RATIO: f64 = 0.05;

/// The sizes of a reference: (width, height), in pixels.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Frame {
    /// The first reference image as it was posted. Masks and transforms are given in its pixels.
    pub posted: (usize, usize),
    /// What every picture is scaled to, and what the model sees of it.
    pub input: (usize, usize),
}

impl Frame {
    /// For a first reference image of this size. A model with features sees about as many pixels as its manifest says, or as a
    /// square with sides of `resolution` pixels, in the shape of the picture; another one sees its encoder's input.
    ///
    /// # Errors
    /// [`ReferenceError::Invalid`] for a resolution that the model cannot see.
    pub fn new(
        model: &Model,
        posted: (usize, usize),
        resolution: Option<u32>,
    ) -> Result<Self, ReferenceError> {
        let cannot = |reason| ReferenceError::Invalid {
            field: "resolution".to_owned(),
            reason,
        };
        let manifest = model.manifest();
        let input = match (&manifest.features, resolution) {
            (Some(side), Some(square)) => {
                let square = square as usize;
                let shaped = shaped(square * square, posted, side.multiple_of());
                side.check_size([shaped.1, shaped.0]).map_err(cannot)?;
                shaped
            }
            (Some(side), None) => {
                let [height, width] = side.size;
                let shaped = shaped(height * width, posted, side.multiple_of());
                let possible = side.check_size([shaped.1, shaped.0]).is_ok();
                if possible { shaped } else { (width, height) }
            }
            (None, None) => (manifest.image.size[1], manifest.image.size[0]),
            (None, Some(_)) => {
                let reason = "the model has no graph of features, and its encoder sees one size";
                return Err(cannot(reason.to_owned()));
            }
        };
        Ok(Self { posted, input })
    }

    /// Whether a picture of this size has the shape of the reference. Its size does not matter: pictures are scaled.
    pub fn fits(&self, size: (usize, usize)) -> bool {
        let ratio = |(width, height): (usize, usize)| width.max(1) as f64 / height.max(1) as f64;
        (ratio(size) / ratio(self.posted)).ln().abs() <= RATIO.ln_1p()
    }

    /// The picture at the size that the model sees.
    pub fn scaled(&self, picture: &RgbImage, filter: Interpolation) -> RgbImage {
        preprocess::resize(picture, self.input.0, self.input.1, filter)
    }

    /// The transform of the compared pixels, from the reference to a picture that was posted at this size, in the pixels of
    /// both as they were posted.
    pub fn in_posted_pixels(&self, transform: &Transform, size: (usize, usize)) -> Transform {
        Transform::resize(self.posted, self.input)
            .then(transform)
            .then(&Transform::resize(self.input, size))
    }
}

/// Width and height of about so many pixels in the shape of a picture, both multiples of `step`, and at least four of them.
fn shaped(pixels: usize, (width, height): (usize, usize), step: usize) -> (usize, usize) {
    let ratio = width.max(1) as f64 / height.max(1) as f64;
    let side = |length: f64| ((length / step as f64).round() as usize).max(4) * step;
    let least = (4 * step) as f64;
    let across = (pixels as f64 * ratio)
        .sqrt()
        .clamp(least, pixels as f64 / least);
    (side(across), side(pixels as f64 / across))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_shape_is_kept_and_the_number_of_pixels_too() {
        assert_eq!(shaped(448 * 448, (500, 500), 16), (448, 448));
        assert_eq!(shaped(448 * 448, (1600, 1200), 16), (512, 384));
        assert_eq!(shaped(448 * 448, (8192, 200), 16), (2864, 64));
        assert_eq!(shaped(448 * 448, (1, 16_384), 16), (64, 3136));
    }

    #[test]
    fn another_size_fits_and_another_shape_does_not() {
        let frame = Frame {
            posted: (640, 480),
            input: (512, 384),
        };
        assert!(frame.fits((1280, 960)) && frame.fits((320, 241)) && frame.fits((4, 3)));
        assert!(!frame.fits((480, 640)) && !frame.fits((640, 400)) && !frame.fits((1, 1)));
    }
}
