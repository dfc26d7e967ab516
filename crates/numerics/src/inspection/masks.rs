//! Which pixels of a part are looked at: a region of interest, and places to ignore.

use super::error::InspectionError;
use super::reference::Grid;
use super::transform::Transform;

/// The most polygons of a region, and the most corners of all of them together: each row of the mask is crossed with each
/// side of each polygon.
pub const MOST_POLYGONS: usize = 256;
/// See [`MOST_POLYGONS`].
pub const MOST_CORNERS: usize = 4096;

/// The pixels of a reference picture that are compared.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mask {
    width: usize,
    height: usize,
    kept: Vec<bool>,
}

/// A polygon: corners (x, y) in pixels from the top left corner of the picture, 0..width and 0..height.
pub type Polygon = Vec<(f64, f64)>;

impl Mask {
    /// All pixels of a picture.
    pub fn everything(width: usize, height: usize) -> Result<Self, InspectionError> {
        let pixels = width
            .checked_mul(height)
            .filter(|pixels| (1..=super::map::MOST_PIXELS).contains(pixels));
        let pixels = pixels.ok_or_else(|| {
            InspectionError::Mask(format!("a mask of {width}x{height} pixels is empty or too large; give the size of the reference"))
        })?;
        Ok(Self {
            width,
            height,
            kept: vec![true; pixels],
        })
    }

    /// A grey picture (one byte a pixel) of the size of the reference, such as a decoded PNG: 128 and above is kept.
    pub fn from_grey(width: usize, height: usize, grey: &[u8]) -> Result<Self, InspectionError> {
        let mut mask = Self::everything(width, height)?;
        if grey.len() != mask.kept.len() {
            return Err(InspectionError::Length {
                what: "a mask",
                expected: mask.kept.len(),
                found: grey.len(),
            });
        }
        for (kept, value) in mask.kept.iter_mut().zip(grey) {
            *kept = *value >= 128;
        }
        mask.some_left()
    }

    /// Keeps only what lies inside one of the polygons: the region of interest.
    pub fn only(mut self, polygons: &[Polygon]) -> Result<Self, InspectionError> {
        let inside = self.inside(polygons, "the region of interest")?;
        self.kept
            .iter_mut()
            .zip(inside)
            .for_each(|(kept, inside)| *kept &= inside);
        self.some_left()
    }

    /// Leaves out what lies inside one of the polygons. Features see some pixels around their patch: draw the polygon that
    /// much larger.
    pub fn without(mut self, polygons: &[Polygon]) -> Result<Self, InspectionError> {
        let inside = self.inside(polygons, "the ignored region")?;
        self.kept
            .iter_mut()
            .zip(inside)
            .for_each(|(kept, inside)| *kept &= !inside);
        self.some_left()
    }

    /// Keeps what both keep. An error if they have different sizes.
    pub fn and(mut self, other: &Self) -> Result<Self, InspectionError> {
        if (self.width, self.height) != (other.width, other.height) {
            return Err(InspectionError::Shape {
                what: "a mask",
                expected: format!("{}x{}", self.width, self.height),
                found: format!("{}x{}", other.width, other.height),
            });
        }
        self.kept
            .iter_mut()
            .zip(&other.kept)
            .for_each(|(kept, other)| *kept &= *other);
        self.some_left()
    }

    /// Columns and rows.
    #[must_use]
    pub fn size(&self) -> (usize, usize) {
        (self.width, self.height)
    }

    /// Whether each pixel is kept, row by row.
    #[must_use]
    pub fn kept(&self) -> &[bool] {
        &self.kept
    }

    /// Which positions of a layer's grid are compared: those whose patch has its centre on a kept pixel. `input` is the
    /// size of the picture that the encoder saw, `to_mask` takes its pixels to pixels of the mask; what lies outside of the
    /// mask is not compared.
    pub fn positions(
        &self,
        grid: &Grid,
        input: (usize, usize),
        to_mask: &Transform,
    ) -> Result<Vec<bool>, InspectionError> {
        let way = grid.to_input(input).then(to_mask);
        let kept = |position: usize| {
            let (row, column) = grid.at(position);
            let (x, y) = way.apply(column as f64, row as f64);
            let (x, y) = (x.round(), y.round());
            let inside = x >= 0.0 && y >= 0.0 && x < self.width as f64 && y < self.height as f64;
            inside && self.kept[y as usize * self.width + x as usize]
        };
        let positions: Vec<_> = (0..grid.len()).map(kept).collect();
        if positions.contains(&true) {
            return Ok(positions);
        }
        Err(InspectionError::no_patch())
    }

    fn some_left(self) -> Result<Self, InspectionError> {
        if self.kept.contains(&true) {
            return Ok(self);
        }
        Err(InspectionError::Mask(
            "the masks leave no pixel to look at; leave out less".to_owned(),
        ))
    }

    /// The pixels with their centre inside a polygon (even-odd rule).
    fn inside(&self, polygons: &[Polygon], what: &str) -> Result<Vec<bool>, InspectionError> {
        if polygons.len() > MOST_POLYGONS {
            return Err(InspectionError::TooMany {
                what: "polygons of a mask",
                found: polygons.len(),
                most: MOST_POLYGONS,
            });
        }
        let corners: usize = polygons.iter().map(Vec::len).sum();
        if corners > MOST_CORNERS {
            return Err(InspectionError::TooMany {
                what: "corners of the polygons of a mask",
                found: corners,
                most: MOST_CORNERS,
            });
        }
        let (width, height) = (self.width as f64, self.height as f64);
        let mut inside = vec![false; self.kept.len()];
        for (number, polygon) in polygons.iter().enumerate() {
            if polygon.len() < 3 {
                let problem = format!(
                    "polygon {number} of {what} has {} corners; give at least 3",
                    polygon.len()
                );
                return Err(InspectionError::Mask(problem));
            }
            let outside =
                |(x, y): &&(f64, f64)| !((0.0..=width).contains(x) && (0.0..=height).contains(y));
            if let Some((x, y)) = polygon.iter().find(outside) {
                return Err(InspectionError::Mask(format!(
                    "polygon {number} of {what} has a corner at ({x}, {y}), outside of the {}x{} pixels of the reference",
                    self.width, self.height
                )));
            }
            self.fill(polygon, &mut inside);
        }
        Ok(inside)
    }

    fn fill(&self, polygon: &[(f64, f64)], inside: &mut [bool]) {
        let mut crossings = Vec::new();
        for (row, pixels) in inside.chunks_exact_mut(self.width).enumerate() {
            let y = row as f64 + 0.5;
            crossings.clear();
            let next = polygon.iter().cycle().skip(1);
            for ((x0, y0), (x1, y1)) in polygon.iter().zip(next) {
                if (*y0 <= y) != (*y1 <= y) {
                    crossings.push(x0 + (y - y0) / (y1 - y0) * (x1 - x0));
                }
            }
            crossings.sort_by(f64::total_cmp);
            for pair in crossings.chunks_exact(2) {
                // The first pixel with its centre right of the left crossing, up to the last one left of the right one.
                let first = (pair[0] - 0.5).ceil().max(0.0) as usize;
                let end = ((pair[1] - 0.5).ceil().max(0.0) as usize).min(self.width);
                pixels[first.min(end)..end].fill(true);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::inspection::{Shape, reference::Sampling};
    use proptest::prelude::*;

    fn mask(width: usize, height: usize) -> Mask {
        Mask::everything(width, height).expect("not empty")
    }

    proptest! {
        /// Against the even-odd rule of single points.
        #[test]
        fn pixels_inside_a_polygon(corners in prop::collection::vec((0.0..20.0_f64, 0.0..16.0_f64), 3..8)) {
            let inside = mask(20, 16).inside(std::slice::from_ref(&corners), "a region").expect("inside the picture");
            for (pixel, found) in inside.iter().enumerate() {
                let (x, y) = ((pixel % 20) as f64 + 0.5, (pixel / 20) as f64 + 0.5);
                let mut odd = false;
                for index in 0..corners.len() {
                    let ((x0, y0), (x1, y1)) = (corners[index], corners[(index + 1) % corners.len()]);
                    odd ^= (y0 <= y) != (y1 <= y) && x0 + (y - y0) / (y1 - y0) * (x1 - x0) <= x;
                }
                prop_assert_eq!(*found, odd, "pixel {}", pixel);
            }
        }
    }

    #[test]
    fn a_region_of_interest_without_a_hole() {
        let square = |low: f64, high: f64| vec![(low, low), (high, low), (high, high), (low, high)];
        let region = mask(10, 10)
            .only(&[square(2.0, 8.0)])
            .and_then(|mask| mask.without(&[square(4.0, 6.0)]))
            .expect("some left");
        assert_eq!(region.kept().iter().filter(|kept| **kept).count(), 36 - 4);
        let grid = Grid::new(
            Shape {
                channels: 1,
                height: 5,
                width: 5,
            },
            &Sampling {
                border: 0,
                ..Sampling::default()
            },
        );
        let positions = region
            .positions(&grid, (20, 20), &Transform::resize((20, 20), (10, 10)))
            .expect("some left");
        assert_eq!(positions.iter().filter(|kept| **kept).count(), 9 - 1);
        let png: Vec<u8> = region
            .kept()
            .iter()
            .map(|kept| u8::from(*kept) * 255)
            .collect();
        assert_eq!(Mask::from_grey(10, 10, &png).expect("some left"), region);
        assert!(
            region.clone().and(&mask(9, 10)).is_err()
                && region.clone().and(&mask(10, 10)).expect("some left") == region
        );
    }

    #[test]
    fn masks_outside_of_the_picture_are_refused() {
        let message =
            |found: Result<Mask, InspectionError>| found.expect_err("refused").to_string();
        assert_eq!(
            message(mask(10, 10).only(&[vec![(0.0, 0.0), (11.0, 0.0), (5.0, 5.0)]])),
            "polygon 0 of the region of interest has a corner at (11, 0), outside of the 10x10 pixels of the reference"
        );
        assert!(
            message(mask(10, 10).without(&[vec![(0.0, 0.0), (f64::NAN, 1.0), (5.0, 5.0)]]))
                .contains("NaN")
        );
        assert!(message(mask(10, 10).only(&[vec![(0.0, 0.0), (1.0, 1.0)]])).contains("2 corners"));
        // Counted together, before any is drawn.
        let many = vec![vec![(0.0, 0.0); MOST_CORNERS / 2 + 1]; 2];
        assert!(message(mask(10, 10).only(&many)).contains("4098 is more than the limit of 4096"));
        assert!(
            message(mask(10, 10).without(&[vec![
                (0.0, 0.0),
                (10.0, 0.0),
                (10.0, 10.0),
                (0.0, 10.0)
            ]]))
            .contains("no pixel")
        );
        assert!(message(Mask::from_grey(2, 2, &[0; 4])).contains("no pixel"));
        assert!(message(Mask::from_grey(2, 2, &[255; 3])).contains("must hold 4"));
        assert!(Mask::everything(0, 4).is_err() && Mask::everything(usize::MAX, 4).is_err());
    }
}
