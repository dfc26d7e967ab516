//! The anomaly map in the pixels of the picture that was posted.

use super::error::InspectionError;
use super::plane::Plane;
use super::reference::PatchMap;
use super::transform::Transform;

/// The value of a map from which on a pixel stands out.
pub const STANDS_OUT: f32 = 1.0;

/// The most pixels of a map.
pub const MOST_PIXELS: usize = 1 << 26;

/// How unlike the OK parts each pixel is: 0 is usual, 1 the limit that hardly any pixel of an OK picture passes. The scale
/// is set on OK images and never on the picture itself.
#[derive(Debug, Clone, PartialEq)]
pub struct AnomalyMap {
    width: usize,
    height: usize,
    values: Vec<f32>,
}

impl AnomalyMap {
    /// Wraps the values of a map, row by row, all finite.
    pub fn new(width: usize, height: usize, values: Vec<f32>) -> Result<Self, InspectionError> {
        check_size(width, height)?;
        if values.len() != width * height {
            return Err(InspectionError::Length {
                what: "a map",
                expected: width * height,
                found: values.len(),
            });
        }
        match values.iter().position(|value| !value.is_finite()) {
            Some(at) => Err(InspectionError::NotFinite { what: "a map", at }),
            None => Ok(Self {
                width,
                height,
                values,
            }),
        }
    }

    /// Joins the maps of all layers and carries them to the pixels of the posted picture.
    ///
    /// `input` is the size (width, height) of the picture that the encoder saw; `to_input` takes a pixel of the posted
    /// picture, whose size is `posted`, to a pixel of it: the way back through registration, then resize, then crop, as
    /// [`Transform`]s one after the other. Where layers disagree the largest value counts; between patches it is linear;
    /// pixels that the encoder did not see, and patches that were not compared, are 0.
    pub fn of_layers(
        layers: &[PatchMap],
        input: (usize, usize),
        to_input: &Transform,
        posted: (usize, usize),
    ) -> Result<Self, InspectionError> {
        Self::drawn(layers, input, to_input, posted, None)
    }

    /// As [`of_layers`](Self::of_layers), but values below 1 may be 0: for regions. Of most pictures, little has
    /// to be drawn then.
    pub fn standing_out(
        layers: &[PatchMap],
        input: (usize, usize),
        to_input: &Transform,
        posted: (usize, usize),
    ) -> Result<Self, InspectionError> {
        Self::drawn(layers, input, to_input, posted, Some(STANDS_OUT))
    }

    fn drawn(
        layers: &[PatchMap],
        input: (usize, usize),
        to_input: &Transform,
        posted: (usize, usize),
        least: Option<f32>,
    ) -> Result<Self, InspectionError> {
        let (width, height) = posted;
        check_size(width, height)?;
        let finest = layers
            .iter()
            .max_by_key(|layer| layer.grid.len())
            .ok_or(InspectionError::NoReference)?;
        let plane = Plane::joined(finest, layers, input);
        // From a pixel to a column and row of the grid.
        let way = to_input.then(&plane.from_input);
        let (right, bottom) = (input.0 as f64 - 0.5, input.1 as f64 - 0.5);
        let seen = |x: f64, y: f64| (-0.5..=right).contains(&x) && (-0.5..=bottom).contains(&y);
        let mut values = vec![0.0; width * height];
        if is_upright(to_input) {
            // Columns and rows are independent: each is found once.
            let seen_column = |column: usize| seen(to_input.apply(column as f64, 0.0).0, 0.0);
            let columns: Vec<_> = (0..width)
                .map(|column| {
                    (
                        seen_column(column),
                        plane.column(way.apply(column as f64, 0.0).0 as f32),
                    )
                })
                .collect();
            let mut line = vec![0.0; plane.columns];
            for (row, values) in values.chunks_exact_mut(width).enumerate() {
                if !seen(0.0, to_input.apply(0.0, row as f64).1) {
                    continue;
                }
                plane.line(way.apply(0.0, row as f64).1 as f32, &mut line);
                for (value, (seen, place)) in values.iter_mut().zip(&columns) {
                    if *seen {
                        *value = place.between(&line);
                    }
                }
            }
        } else {
            let (columns, rows) = match least {
                Some(least) => plane.pixels_around(least, &way, posted),
                None => (0..width, 0..height),
            };
            for row in rows {
                let values = &mut values[row * width..][columns.clone()];
                for (column, value) in columns.clone().zip(values) {
                    let (x, y) = (column as f64, row as f64);
                    let (at_x, at_y) = to_input.apply(x, y);
                    if seen(at_x, at_y) {
                        let (column, row) = way.apply(x, y);
                        *value = plane.at(column as f32, row as f32);
                    }
                }
            }
        }
        Ok(Self {
            width,
            height,
            values,
        })
    }

    /// Columns, at least 1.
    #[must_use]
    pub fn width(&self) -> usize {
        self.width
    }

    /// Rows, at least 1.
    #[must_use]
    pub fn height(&self) -> usize {
        self.height
    }

    /// The values, row by row.
    #[must_use]
    pub fn values(&self) -> &[f32] {
        &self.values
    }
}

fn check_size(width: usize, height: usize) -> Result<(), InspectionError> {
    match width.checked_mul(height) {
        Some(0) => Err(InspectionError::Length {
            what: "a map",
            expected: 1,
            found: 0,
        }),
        Some(pixels) if pixels <= MOST_PIXELS => Ok(()),
        pixels => {
            let found = pixels.unwrap_or(usize::MAX);
            Err(InspectionError::TooMany {
                what: "pixels of a map",
                found,
                most: MOST_PIXELS,
            })
        }
    }
}

fn is_upright(transform: &Transform) -> bool {
    transform.0[0][1] == 0.0 && transform.0[1][0] == 0.0
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::inspection::{
        Shape,
        reference::{Grid, Sampling},
    };
    use proptest::prelude::*;

    fn layer(side: usize, sampling: Sampling, value: impl Fn(usize, usize) -> f32) -> PatchMap {
        let grid = Grid::new(
            Shape {
                channels: 1,
                height: side,
                width: side,
            },
            &sampling,
        );
        let values = (0..grid.len())
            .map(|position| grid.at(position))
            .map(|(row, column)| Some(value(row, column)));
        PatchMap {
            grid,
            values: values.collect(),
        }
    }

    /// A ramp along x of the input's pixels: what is read back at a posted pixel is where that pixel lies.
    #[test]
    fn every_pixel_reads_the_place_it_came_from() {
        let (input, posted) = ((64, 64), (100, 160));
        // Turned and shifted by a registration, then scaled so that the short side is 64, then the middle of 64 kept.
        for degrees in [4.0, 0.0] {
            let turned = Transform::similarity(degrees, 1.0, (3.0, -2.0), (49.5, 79.5));
            let to_input = turned
                .then(&Transform::resize(posted, (64, 102)))
                .then(&Transform::shift(0.0, -19.0));
            for sampling in [
                Sampling {
                    border: 0,
                    ..Sampling::default()
                },
                Sampling {
                    border: 1,
                    most: 30,
                    ..Sampling::default()
                },
            ] {
                let ramp = layer(16, sampling, |_, column| (column as f32 + 0.5) * 4.0 - 0.5);
                let low = layer(4, Sampling::default(), |_, _| -1e3);
                let map = AnomalyMap::of_layers(&[low, ramp.clone()], input, &to_input, posted)
                    .expect("it fits");
                let (first, last) = (ramp.grid.at(0).1, ramp.grid.at(ramp.grid.len() - 1).1);
                let inside = |x: f64| x > first as f64 * 4.0 + 2.0 && x < last as f64 * 4.0 + 1.0;
                let mut checked = 0;
                for (pixel, value) in map.values().iter().enumerate() {
                    let (x, y) =
                        to_input.apply((pixel % posted.0) as f64, (pixel / posted.0) as f64);
                    if inside(x) && y > 0.0 && y < 63.0 {
                        assert!(
                            (f64::from(*value) - x).abs() < 1e-3,
                            "pixel {pixel}: {value}, {x}"
                        );
                        checked += 1;
                    }
                    if !(-0.5..=63.5).contains(&y) || !(-0.5..=63.5).contains(&x) {
                        assert_eq!(*value, 0.0);
                    }
                }
                assert!(checked > 4000, "{checked}");
            }
        }
    }

    /// A convolution that pads at one side only centres its first value elsewhere than in the middle of its stride.
    #[test]
    fn an_offset_is_where_the_first_patch_is_centred() {
        let sampling = Sampling {
            offset: Some(3),
            ..Sampling::default()
        };
        let ramp = layer(16, sampling, |_, column| column as f32 * 4.0 + 3.0);
        let map = AnomalyMap::of_layers(&[ramp], (64, 64), &Transform::IDENTITY, (64, 64))
            .expect("it fits");
        for x in 7..60 {
            assert!((map.values()[64 * 30 + x] - x as f32).abs() < 1e-3, "{x}");
        }
    }

    #[test]
    fn the_larger_value_of_two_layers_counts() {
        let spot = |row, column| if (row, column) == (2, 3) { 5.0 } else { 0.0 };
        let layers = [
            layer(
                8,
                Sampling {
                    border: 0,
                    ..Sampling::default()
                },
                |_, _| 1.0,
            ),
            layer(
                4,
                Sampling {
                    border: 0,
                    ..Sampling::default()
                },
                spot,
            ),
        ];
        let map = AnomalyMap::of_layers(&layers, (32, 32), &Transform::IDENTITY, (32, 32))
            .expect("it fits");
        let best = (0..map.values().len())
            .max_by(|a, b| map.values()[*a].total_cmp(&map.values()[*b]))
            .expect("pixels");
        assert!(
            (24..32).contains(&(best % 32)) && (16..24).contains(&(best / 32)),
            "{best}"
        );
        assert_eq!(map.values()[0], 1.0);
        let error =
            AnomalyMap::of_layers(&layers, (32, 32), &Transform::IDENTITY, (1 << 20, 1 << 20))
                .expect_err("too large");
        assert_eq!(
            error.to_string(),
            format!(
                "pixels of a map: {} is more than the limit of {MOST_PIXELS}",
                1_u64 << 40
            )
        );
    }

    proptest! {
        /// Nothing that stands out is left out.
        #[test]
        fn what_stands_out_is_drawn(
            side in 2_usize..9, spots in prop::collection::vec((0_usize..81, 0.5_f32..3.0), 0..4),
            degrees in -180.0_f64..180.0, scale in 0.5_f64..2.0, shift in (-20.0_f64..20.0, -20.0_f64..20.0),
        ) {
            let value = |row: usize, column: usize| {
                let here = spots.iter().filter(|(place, _)| place % (side * side) == row * side + column);
                here.map(|(_, value)| *value).fold(0.1, f32::max)
            };
            let sampling = Sampling { border: 0, ..Sampling::default() };
            let layers = [layer(side, sampling, value)];
            let input = (side * 8, side * 8);
            let turn = Transform::similarity(degrees, scale, shift, (side as f64 * 4.0, side as f64 * 4.0));
            let whole = AnomalyMap::of_layers(&layers, input, &turn, (50, 40)).unwrap();
            let some = AnomalyMap::standing_out(&layers, input, &turn, (50, 40)).unwrap();
            for (whole, some) in whole.values().iter().zip(some.values()) {
                prop_assert!(whole == some || (*whole < STANDS_OUT && *some == 0.0));
            }
        }
    }
}
