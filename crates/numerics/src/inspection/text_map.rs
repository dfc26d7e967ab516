//! Where in a picture a text holds: a value for each place of a grid, carried to the pixels of the posted picture.

use super::error::InspectionError;
use super::feature_map::Shape;
use super::map::AnomalyMap;
use super::reference::{Grid, PatchMap, Sampling};
use super::regions::{Region, regions};
use super::transform::Transform;
use crate::dot::dot;

/// Boxes are found on a map of this many pixels on its longer side: some ten pixels a patch.
const REGION_SIDE: usize = 256;

/// The most boxes of a text.
pub const MOST_REGIONS: usize = 8;

/// Vectors of the places of a picture, in the space of the texts: of its patches, or of the whole picture with each place
/// covered.
#[derive(Debug, Clone, Copy)]
pub struct Places<'a> {
    /// `[rows, columns, width]`, row by row.
    pub vectors: &'a [f32],
    /// Rows, at least 1.
    pub rows: usize,
    /// Columns, at least 1.
    pub columns: usize,
}

/// Where the pixels of a picture lie in the encoder's input.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Placed {
    /// Width and height of the posted picture.
    pub posted: (usize, usize),
    /// Width and height of the encoder's input.
    pub input: (usize, usize),
    /// From a pixel of the posted picture to a pixel of the input.
    pub to_input: Transform,
}

/// How much a text holds at each place of a picture: 1 and more stands out. The scale is fixed for a model, and never set on
/// the picture itself.
#[derive(Debug, Clone, PartialEq)]
pub struct TextMap {
    layer: PatchMap,
    placed: Placed,
}

impl TextMap {
    /// Compares each patch with a text: `(cos(patch, text) − cos(patch, neutral)) · factor`. `neutral` is a text that says
    /// little. A patch without a direction has the value 0.
    ///
    /// # Errors
    /// [`InspectionError::Length`] if the lengths do not fit together, [`InspectionError::NotFinite`].
    pub fn of_patches(
        patches: Places<'_>,
        text: &[f32],
        neutral: &[f32],
        factor: f32,
        placed: Placed,
    ) -> Result<Self, InspectionError> {
        check("the neutral text", neutral, text.len())?;
        let direction: Vec<f32> = unit(text)
            .zip(unit(neutral))
            .map(|(text, neutral)| (text - neutral) as f32)
            .collect();
        Self::of_values(patches, text, placed, |patch| {
            along(patch, &direction) * factor
        })
    }

    /// Says how much less a text fits the picture when a place is covered: `(cos(whole, text) − cos(covered, text)) · factor`.
    /// `covered` holds the picture's vector with each place covered.
    ///
    /// # Errors
    /// As [`Self::of_patches`].
    pub fn of_covered(
        whole: &[f32],
        covered: Places<'_>,
        text: &[f32],
        factor: f32,
        placed: Placed,
    ) -> Result<Self, InspectionError> {
        check("the picture", whole, text.len())?;
        let text_unit: Vec<f32> = unit(text).map(|number| number as f32).collect();
        let before = along(whole, &text_unit);
        Self::of_values(covered, text, placed, |covered| {
            (before - along(covered, &text_unit)) * factor
        })
    }

    fn of_values(
        places: Places<'_>,
        text: &[f32],
        placed: Placed,
        value: impl Fn(&[f32]) -> f32,
    ) -> Result<Self, InspectionError> {
        let Places {
            vectors,
            rows,
            columns,
        } = places;
        let width = text.len();
        check("the text", text, width)?;
        check("the places", vectors, rows * columns * width)?;
        let shape = Shape {
            channels: width,
            height: rows,
            width: columns,
        };
        let everywhere = Sampling {
            border: 0,
            most: usize::MAX,
            ..Sampling::default()
        };
        Ok(Self {
            layer: PatchMap {
                grid: Grid::new(shape, &everywhere),
                values: vectors
                    .chunks_exact(width)
                    .map(|v| Some(value(v)))
                    .collect(),
            },
            placed,
        })
    }

    /// Width and height of the posted picture.
    #[must_use]
    pub fn size(&self) -> (usize, usize) {
        self.placed.posted
    }

    /// A value for each patch, row by row.
    pub fn values(&self) -> impl Iterator<Item = f32> {
        self.layer.values.iter().map(|value| value.unwrap_or(0.0))
    }

    /// The map of some rows of the posted picture: so that no map of a large picture is in memory as a whole.
    ///
    /// # Errors
    /// [`InspectionError::Length`] without rows, [`InspectionError::TooMany`].
    pub fn band(&self, first: usize, rows: usize) -> Result<AnomalyMap, InspectionError> {
        let to_input = Transform::shift(0.0, first as f64).then(&self.placed.to_input);
        let size = (self.placed.posted.0, rows);
        self.map(&to_input, size)
    }

    /// The places that stand out, strongest first, in pixels of the posted picture: at most [`MOST_REGIONS`], each at least a
    /// quarter of a patch.
    ///
    /// # Errors
    /// As [`AnomalyMap::of_layers`].
    pub fn regions(&self) -> Result<Vec<Region>, InspectionError> {
        let (width, height) = self.placed.posted;
        let longest = width.max(height).max(1);
        let side = |length: usize| (length * REGION_SIDE).div_ceil(longest).max(1);
        // Of a picture with few pixels this is larger than the picture: a patch may lie between its pixels.
        let small = (side(width), side(height));
        let to_posted = Transform::resize(small, (width, height));
        let map = self.map(&to_posted.then(&self.placed.to_input), small)?;
        // A patch, in pixels of the small map.
        let patch = {
            let input = self.placed.input;
            let grid = self.layer.grid.shape;
            let share = (input.0 / grid.width.max(1)) * (input.1 / grid.height.max(1));
            let scale = to_posted.then(&self.placed.to_input).scale();
            share as f64 / (scale * scale).max(f64::MIN_POSITIVE)
        };
        let least = ((patch / 4.0) as usize).clamp(1, small.0 * small.1);
        let found = regions(&map, least, MOST_REGIONS);
        let from = |at: usize, small: usize, posted: usize| at * posted / small;
        let until = |at: usize, small: usize, posted: usize| (at * posted).div_ceil(small);
        let posted = found.into_iter().map(|region| {
            let (x, y) = (
                from(region.x, small.0, width),
                from(region.y, small.1, height),
            );
            Region {
                x,
                y,
                width: until(region.x + region.width, small.0, width) - x,
                height: until(region.y + region.height, small.1, height) - y,
                strength: region.strength,
                area: region.area * width * height / (small.0 * small.1),
            }
        });
        Ok(posted.collect())
    }

    fn map(
        &self,
        to_input: &Transform,
        size: (usize, usize),
    ) -> Result<AnomalyMap, InspectionError> {
        let layer = std::slice::from_ref(&self.layer);
        AnomalyMap::of_layers(layer, self.placed.input, to_input, size)
    }
}

fn check(what: &'static str, numbers: &[f32], expected: usize) -> Result<(), InspectionError> {
    if numbers.len() != expected || expected == 0 {
        return Err(InspectionError::Length {
            what,
            expected: expected.max(1),
            found: numbers.len(),
        });
    }
    match numbers.iter().position(|number| !number.is_finite()) {
        Some(at) => Err(InspectionError::NotFinite { what, at }),
        None => Ok(()),
    }
}

/// The length of a vector's part along a direction, for the vector at length 1; 0 for zeros.
fn along(vector: &[f32], direction: &[f32]) -> f32 {
    let length = dot(vector, vector).sqrt();
    if length > 0.0 {
        (dot(vector, direction) / length) as f32
    } else {
        0.0
    }
}

/// The vector at length 1; zeros stay zeros.
fn unit(vector: &[f32]) -> impl Iterator<Item = f64> {
    let length = dot(vector, vector).sqrt();
    let factor = if length > 0.0 { 1.0 / length } else { 0.0 };
    vector.iter().map(move |number| f64::from(*number) * factor)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Four columns and four rows; the patch at column 3, row 1 is the text, all others are neutral.
    fn spot(placed: Placed) -> TextMap {
        let (text, neutral) = ([0.0, 2.0], [3.0, 0.0]);
        let vectors: Vec<f32> = (0..16)
            .flat_map(|place| if place == 7 { [0.0, 0.5] } else { [0.5, 0.0] })
            .collect();
        let patches = Places {
            vectors: &vectors,
            rows: 4,
            columns: 4,
        };
        TextMap::of_patches(patches, &text, &neutral, 2.0, placed).expect("it fits")
    }

    fn squashed(posted: (usize, usize)) -> Placed {
        Placed {
            posted,
            input: (64, 64),
            to_input: Transform::resize(posted, (64, 64)),
        }
    }

    #[test]
    fn a_value_is_the_difference_of_two_cosines() {
        let values: Vec<_> = spot(squashed((8, 8))).values().collect();
        assert_eq!(values.iter().filter(|value| **value == -2.0).count(), 15);
        assert_eq!(values[7], 2.0);
        let zeros = Places {
            vectors: &[0.0; 4],
            rows: 1,
            columns: 2,
        };
        let map = TextMap::of_patches(zeros, &[1.0, 0.0], &[0.0, 1.0], 1.0, squashed((8, 8)));
        assert_eq!(map.expect("it fits").values().collect::<Vec<_>>(), [0.0; 2]);
        let wrong = TextMap::of_patches(zeros, &[1.0, 0.0], &[1.0], 1.0, squashed((8, 8)));
        assert!(wrong.is_err());
    }

    #[test]
    fn covering_what_the_text_needs_counts() {
        let covered = Places {
            vectors: &[3.0, 4.0, 0.0, 5.0],
            rows: 1,
            columns: 2,
        };
        let map = TextMap::of_covered(&[6.0, 8.0], covered, &[2.0, 0.0], 10.0, squashed((8, 8)));
        let values: Vec<_> = map.expect("it fits").values().collect();
        assert!(
            values[0].abs() < 1e-6 && (values[1] - 6.0).abs() < 1e-6,
            "{values:?}"
        );
    }

    #[test]
    fn bands_are_parts_of_the_whole_map() {
        let map = spot(squashed((100, 60)));
        let whole = map.band(0, 60).expect("small");
        let parts: Vec<f32> = [(0, 7), (7, 13), (20, 40)]
            .into_iter()
            .flat_map(|(first, rows)| map.band(first, rows).expect("small").values().to_vec())
            .collect();
        assert_eq!(whole.values(), parts);
    }

    #[test]
    fn a_large_picture_has_the_boxes_of_a_small_one() {
        for posted in [(400, 400), (4000, 1000), (600, 6000), (3, 5)] {
            let found = spot(squashed(posted)).regions().expect("small");
            assert_eq!(found.len(), 1, "{posted:?}");
            // Column 3 and row 1 of four: 1 and more is the inner part of the patch.
            let region = found[0];
            let (middle, tall) = (
                (region.x * 2 + region.width),
                (region.y * 2 + region.height),
            );
            let (x, y) = (
                middle as f64 / (2 * posted.0) as f64,
                tall as f64 / (2 * posted.1) as f64,
            );
            assert!(
                (0.74..=1.0).contains(&x) && (0.2..=0.55).contains(&y),
                "{posted:?}: {x} {y}"
            );
            assert!(region.x + region.width <= posted.0 && region.y + region.height <= posted.1);
            assert!(
                (1.5..=2.0).contains(&region.strength),
                "{}",
                region.strength
            );
        }
    }
}
