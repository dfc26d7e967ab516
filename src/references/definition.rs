//! The definition of a reference, as given by a user.

use std::ops::RangeInclusive;

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::base64_bytes;
use super::error::ReferenceError;
use crate::inspection::masks::{MOST_CORNERS, MOST_POLYGONS, Polygon};
use crate::named::Storable;
use crate::preprocess::ImageOptions;

/// Bytes that a reference takes besides its images: what is learnt of them, and what a comparison needs of that.
pub const LEARNT_BYTES: usize = 8 << 20;

/// Pixels up to which [`LEARNT_BYTES`] are enough.
const USUAL_PIXELS: usize = 448 * 448;

/// Possible resolutions. Fewer pixels have too few patches; more do not fit through a graph of features in any shape.
pub const RESOLUTIONS: RangeInclusive<u32> = 128..=960;

/// Images of good parts, and where to look at.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Definition {
    /// The model; the default model if none is named.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// The images as they were posted.
    pub images: Vec<Photograph>,
    /// What is looked at.
    #[serde(default)]
    pub places: Places,
    /// How the images, and those that are compared with them, are read.
    #[serde(default)]
    pub image_options: ImageOptions,
    /// The side of a square, in pixels: pictures are compared with as many pixels as it has, in their own shape. The model's
    /// own size by default. See [`RESOLUTIONS`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resolution: Option<u32>,
}

/// An image file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Photograph(#[serde(with = "base64_bytes")] pub Bytes);

/// Places of a part: polygons of corners (x, y), in pixels of the first reference image from its top left corner, and a mask.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Places {
    /// Only what lies inside one of these is compared; everything if there are none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub regions: Vec<Polygon>,
    /// What lies inside one of these is not compared.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub ignore: Vec<Polygon>,
    /// A picture of the size of the first reference image: only where it is bright (grey 128 and above) is compared.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mask: Option<Photograph>,
}

impl Places {
    /// Whether everything is compared.
    pub fn is_everything(&self) -> bool {
        self.regions.is_empty() && self.ignore.is_empty() && self.mask.is_none()
    }

    /// Bytes of the mask's file.
    pub fn mask_bytes(&self) -> usize {
        self.mask.as_ref().map_or(0, |mask| mask.0.len())
    }

    /// Checks the polygons, before the size of the picture is known.
    ///
    /// # Errors
    /// [`ReferenceError::Invalid`] with the polygon.
    pub fn check(&self) -> Result<(), ReferenceError> {
        for (field, polygons) in [("regions", &self.regions), ("ignore", &self.ignore)] {
            let invalid =
                |field: String, reason: String| Err(ReferenceError::Invalid { field, reason });
            if polygons.len() > MOST_POLYGONS {
                let reason = format!(
                    "{} polygons; at most {MOST_POLYGONS} are allowed",
                    polygons.len()
                );
                return invalid(field.to_owned(), reason);
            }
            let corners: usize = polygons.iter().map(Vec::len).sum();
            if corners > MOST_CORNERS {
                let reason = format!("{corners} corners; at most {MOST_CORNERS} are allowed");
                return invalid(field.to_owned(), reason);
            }
            if let Some(i) = polygons.iter().position(|polygon| polygon.len() < 3) {
                let reason = "a polygon needs at least 3 corners".to_owned();
                return invalid(format!("{field}[{i}]"), reason);
            }
        }
        Ok(())
    }

    /// Checks that all corners lie inside a picture.
    ///
    /// # Errors
    /// [`ReferenceError::Invalid`] with the polygon.
    pub fn check_inside(&self, (width, height): (usize, usize)) -> Result<(), ReferenceError> {
        let is_inside = |(x, y): &(f64, f64)| {
            (0.0..=width as f64).contains(x) && (0.0..=height as f64).contains(y)
        };
        for (field, polygons) in [("regions", &self.regions), ("ignore", &self.ignore)] {
            for (i, polygon) in polygons.iter().enumerate() {
                if let Some((x, y)) = polygon.iter().find(|corner| !is_inside(corner)) {
                    return Err(ReferenceError::Invalid {
                        field: format!("{field}[{i}]"),
                        reason: format!(
                            "the corner ({x}, {y}) is outside of the {width}x{height} pixels of the first reference image"
                        ),
                    });
                }
            }
        }
        Ok(())
    }
}

impl Definition {
    /// Checks what the types cannot express.
    ///
    /// # Errors
    /// [`ReferenceError`].
    pub fn check(&self, most_images: usize) -> Result<(), ReferenceError> {
        match self.images.len() {
            0 => return Err(ReferenceError::NoImages),
            images if images > most_images => {
                let most = most_images;
                return Err(ReferenceError::TooManyImages { images, most });
            }
            _ => {}
        }
        check_resolution(self.resolution)?;
        self.places.check()
    }
}

/// Checks a resolution, before the model is known.
///
/// # Errors
/// [`ReferenceError::Invalid`].
pub fn check_resolution(given: Option<u32>) -> Result<(), ReferenceError> {
    match given {
        Some(side) if !RESOLUTIONS.contains(&side) => Err(ReferenceError::Invalid {
            field: "resolution".to_owned(),
            reason: format!(
                "{side} pixels; {} to {} are possible",
                RESOLUTIONS.start(),
                RESOLUTIONS.end()
            ),
        }),
        _ => Ok(()),
    }
}

/// Bytes that are counted for what is learnt of pictures with so many pixels.
pub fn learnt_bytes(pixels: usize) -> usize {
    LEARNT_BYTES * pixels.max(USUAL_PIXELS) / USUAL_PIXELS
}

impl Storable for Definition {
    fn bytes(&self) -> usize {
        let images = self.images.iter().map(|image| image.0.len());
        let side = self.resolution.unwrap_or(0) as usize;
        images.sum::<usize>() + self.places.mask_bytes() + learnt_bytes(side * side)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stored_definition_is_read_back() {
        let definition = Definition {
            images: vec![Photograph(Bytes::from_static(&[0xff, 0xd8, 0x00]))],
            places: Places {
                ignore: vec![vec![(0.0, 0.5), (4.0, 0.0), (4.0, 4.0)]],
                ..Places::default()
            },
            resolution: Some(640),
            ..Definition::default()
        };
        let text = serde_json::to_string(&definition).unwrap();
        assert!(text.contains(r#""/9gA""#), "{text}");
        let back: Definition = serde_json::from_str(&text).unwrap();
        assert_eq!(back, definition);
        assert!(back.check(1).is_ok() && back.check(0).is_err());
    }

    #[test]
    fn more_pixels_are_counted_and_have_a_bound() {
        let with = |resolution| Definition {
            images: vec![Photograph(Bytes::new())],
            resolution,
            ..Definition::default()
        };
        let bytes = |resolution| with(resolution).bytes();
        assert_eq!(bytes(Some(224)), bytes(None));
        assert_eq!(bytes(Some(896)), 4 * bytes(None));
        for (side, is_possible) in [(127, false), (128, true), (960, true), (961, false)] {
            assert_eq!(with(Some(side)).check(1).is_ok(), is_possible, "{side}");
        }
    }
}
