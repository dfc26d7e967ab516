//! Reads a picture under a transform.

use std::ops::Range;

use super::grey::GreyImage;
use crate::inspection::transform::Transform;

/// A position may lie so far outside of a picture, in pixels: the last row and column of an identity that was computed are
/// not lost by rounding.
const TOLERANCE: f64 = 1e-6;

/// Bits behind the point of a position in the inner loop.
const FRACTION: u32 = 32;

/// A picture as it is seen under a transform.
#[derive(Debug, Clone)]
pub(super) struct Warped {
    width: usize,
    /// Row by row; 0 where nothing is seen.
    pub(super) values: Vec<f32>,
    /// The columns of each row that are seen: a line leaves a picture once.
    pub(super) rows: Vec<Range<usize>>,
}

impl Warped {
    /// Whether each pixel is seen.
    pub(super) fn valid(&self) -> Vec<bool> {
        let mut valid = vec![false; self.values.len()];
        for (columns, valid) in self.rows.iter().zip(valid.chunks_exact_mut(self.width)) {
            valid[columns.clone()].fill(true);
        }
        valid
    }

    /// What is seen of each row.
    pub(super) fn seen_rows(&self) -> impl Iterator<Item = &[f32]> {
        let rows = self.values.chunks_exact(self.width);
        rows.zip(&self.rows)
            .map(|(row, columns)| &row[columns.clone()])
    }

    /// Number of pixels that are seen.
    pub(super) fn seen(&self) -> usize {
        self.rows.iter().map(ExactSizeIterator::len).sum()
    }
}

/// Reads `image` where `transform` takes each pixel of a picture of `width` × `height`, between pixels bilinearly.
pub(super) fn warp(
    image: &GreyImage,
    transform: &Transform,
    width: usize,
    height: usize,
) -> Warped {
    let mut values = vec![0.0; width * height];
    let [[a, _, _], [c, _, _]] = transform.0;
    let rows = values.chunks_exact_mut(width.max(1)).enumerate();
    let rows = rows
        .map(|(row, values)| {
            let start = transform.apply(0.0, row as f64);
            let line = Line {
                start,
                step: (a, c),
                last: ((image.width() - 1) as f64, (image.height() - 1) as f64),
            };
            let columns = line.inside(width);
            line.read(image, columns.clone(), values);
            columns
        })
        .collect();
    Warped {
        width,
        values,
        rows,
    }
}

/// The positions of a row's pixels.
struct Line {
    /// That of column 0.
    start: (f64, f64),
    /// From one column to the next.
    step: (f64, f64),
    /// The last column and row of the picture.
    last: (f64, f64),
}

impl Line {
    fn at(&self, column: usize) -> (f64, f64) {
        let column = column as f64;
        (
            self.start.0 + self.step.0 * column,
            self.start.1 + self.step.1 * column,
        )
    }

    fn is_inside(&self, column: usize) -> bool {
        let (x, y) = self.at(column);
        x >= -TOLERANCE
            && y >= -TOLERANCE
            && x <= self.last.0 + TOLERANCE
            && y <= self.last.1 + TOLERANCE
    }

    /// The columns whose positions lie in the picture.
    fn inside(&self, width: usize) -> Range<usize> {
        let (mut low, mut high) = (0.0_f64, width as f64);
        let axes = [
            (self.start.0, self.step.0, self.last.0),
            (self.start.1, self.step.1, self.last.1),
        ];
        for (start, step, last) in axes {
            let (first, second) = (
                (-TOLERANCE - start) / step,
                (last + TOLERANCE - start) / step,
            );
            if first.is_finite() && second.is_finite() {
                low = low.max(first.min(second));
                high = high.min(first.max(second) + 1.0);
            }
        }
        // Rounding, and a step of 0, are left to the definition.
        let mut first = (low.max(0.0) as usize).saturating_sub(1).min(width);
        let mut end = ((high.max(0.0) as usize) + 1).min(width);
        while first < end && !self.is_inside(first) {
            first += 1;
        }
        while first < end && !self.is_inside(end - 1) {
            end -= 1;
        }
        first.min(end)..end
    }

    /// Positions are computed with whole numbers, which is exact to 2^-24 of a pixel.
    fn read(&self, image: &GreyImage, columns: Range<usize>, values: &mut [f32]) {
        let one = f64::from(1 << (FRACTION / 2)).powi(2);
        let fixed = |value: f64| (value * one) as i64;
        let (x, y) = self.at(columns.start);
        let (mut x, mut y) = (fixed(x), fixed(y));
        let (right, down) = (fixed(self.step.0), fixed(self.step.1));
        let last = (fixed(self.last.0), fixed(self.last.1));
        let (pixels, stride) = (image.values(), image.width());
        for value in &mut values[columns] {
            let (u, v) = (x.clamp(0, last.0), y.clamp(0, last.1));
            let at = (v >> FRACTION) as usize * stride + (u >> FRACTION) as usize;
            // In the last column and row, the neighbour that there is not has a share of 0.
            let first = pixels[at];
            let pixel = |at: usize| pixels.get(at).copied().unwrap_or(first);
            let (across, along) = (share(u), share(v));
            let upper = first + (pixel(at + 1) - first) * across;
            let lower = pixel(at + stride);
            let lower = lower + (pixel(at + stride + 1) - lower) * across;
            *value = upper + (lower - upper) * along;
            x += right;
            y += down;
        }
    }
}

/// What is behind the point, as 24 bits: 0 to 1.
fn share(position: i64) -> f32 {
    ((position >> (FRACTION - 24)) & 0x00FF_FFFF) as i32 as f32 * (1.0 / 16_777_216.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// By the definition, in float64.
    fn defined(image: &GreyImage, transform: &Transform, column: usize, row: usize) -> Option<f64> {
        let (right, bottom) = ((image.width() - 1) as f64, (image.height() - 1) as f64);
        let (x, y) = transform.apply(column as f64, row as f64);
        let inside = |value: f64, last: f64| value >= -TOLERANCE && value <= last + TOLERANCE;
        if !inside(x, right) || !inside(y, bottom) {
            return None;
        }
        let (x, y) = (x.clamp(0.0, right), y.clamp(0.0, bottom));
        let at = |column: f64, row: f64| {
            let (column, row) = (column.min(right) as usize, row.min(bottom) as usize);
            f64::from(image.values()[row * image.width() + column])
        };
        let (left, top) = (x.floor(), y.floor());
        let line = |row: f64| at(left, row) + (at(left + 1.0, row) - at(left, row)) * (x - left);
        Some(line(top) + (line(top + 1.0) - line(top)) * (y - top))
    }

    proptest! {
        #[test]
        fn a_warped_picture_is_as_defined(
            sides in (1_usize..40, 1_usize..40),
            to in (1_usize..40, 1_usize..40),
            degrees in -180.0_f64..180.0,
            scale in 0.3_f64..3.0,
            shift in (-30.0_f64..30.0, -30.0_f64..30.0),
            is_plain in any::<bool>(),
            seed in any::<u64>(),
        ) {
            let mut random = fastrand::Rng::with_seed(seed);
            let values = (0..sides.0 * sides.1).map(|_| random.f32()).collect();
            let image = GreyImage::new(sides.0, sides.1, values).unwrap();
            let centre = (sides.0 as f64 / 2.0, sides.1 as f64 / 2.0);
            let transform = if is_plain {
                Transform::shift(shift.0.round(), shift.1.round())
            } else {
                Transform::similarity(degrees, scale, shift, centre)
            };
            let warped = warp(&image, &transform, to.0, to.1);
            let valid = warped.valid();
            let mut seen = 0;
            for row in 0..to.1 {
                for column in 0..to.0 {
                    let index = row * to.0 + column;
                    let wanted = defined(&image, &transform, column, row);
                    prop_assert_eq!(valid[index], wanted.is_some());
                    let wanted = wanted.unwrap_or(0.0);
                    prop_assert!((f64::from(warped.values[index]) - wanted).abs() < 2e-5);
                    seen += usize::from(valid[index]);
                }
            }
            prop_assert_eq!(warped.seen(), seen);
        }
    }

    #[test]
    fn a_transform_without_numbers_sees_nothing() {
        let image = GreyImage::new(3, 2, vec![0.5; 6]).unwrap();
        for wrong in [f64::NAN, f64::INFINITY, 1e300] {
            let warped = warp(&image, &Transform::shift(wrong, 0.0), 3, 2);
            assert_eq!((warped.seen(), warped.values), (0, vec![0.0; 6]));
        }
    }
}
