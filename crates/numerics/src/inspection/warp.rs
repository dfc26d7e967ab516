//! A picture as it is seen under a transform.

use super::error::InspectionError;
use super::transform::Transform;

/// Sharpness of the cubic convolution, as Pillow's `bicubic` has it.
const A: f32 = -0.5;

/// 8-bit RGB pixels, row by row, of a picture that has at least one pixel.
#[derive(Debug, Clone, Copy)]
pub struct Rgb<'a> {
    width: usize,
    height: usize,
    pixels: &'a [u8],
}

impl<'a> Rgb<'a> {
    /// Wraps the pixels; an error if there are none or if their number is not `width * height * 3`.
    pub fn new(width: usize, height: usize, pixels: &'a [u8]) -> Result<Self, InspectionError> {
        let expected = width.saturating_mul(height).saturating_mul(3);
        if expected == 0 || pixels.len() != expected {
            return Err(InspectionError::Length {
                what: "a picture",
                expected: expected.max(3),
                found: pixels.len(),
            });
        }
        Ok(Self {
            width,
            height,
            pixels,
        })
    }

    /// Columns and rows.
    #[must_use]
    pub fn size(&self) -> (usize, usize) {
        (self.width, self.height)
    }

    /// The brightness of each pixel, 0 (black) to 1, by the weights of ITU-R BT.601.
    pub fn grey(&self) -> impl Iterator<Item = f32> + 'a {
        let brightness = |pixel: &[u8]| {
            let [red, green, blue] = [pixel[0], pixel[1], pixel[2]].map(f32::from);
            (0.299 * red + 0.587 * green + 0.114 * blue) / 255.0
        };
        self.pixels.chunks_exact(3).map(brightness)
    }

    /// Reads the picture where `transform` takes each pixel of a picture of the same size, between pixels by cubic
    /// convolution (Keys, 1981); and which of them lie inside. Outside, the nearest pixel is repeated.
    #[must_use]
    pub fn warped(&self, transform: &Transform) -> (Vec<u8>, Vec<bool>) {
        let (right, bottom) = ((self.width - 1) as f64, (self.height - 1) as f64);
        let mut pixels = Vec::with_capacity(self.pixels.len());
        let mut inside = Vec::with_capacity(self.width * self.height);
        for row in 0..self.height {
            for column in 0..self.width {
                let (x, y) = transform.apply(column as f64, row as f64);
                inside
                    .push((-0.5..=right + 0.5).contains(&x) && (-0.5..=bottom + 0.5).contains(&y));
                pixels.extend(self.at(x.clamp(0.0, right), y.clamp(0.0, bottom)));
            }
        }
        (pixels, inside)
    }

    /// The colour at a position inside.
    fn at(&self, x: f64, y: f64) -> [u8; 3] {
        let (left, top) = (x.floor(), y.floor());
        let (across, down) = (weights((x - left) as f32), weights((y - top) as f32));
        let near = |first: f64, most: usize| {
            [-1, 0, 1, 2].map(|step| (first as isize + step).clamp(0, most as isize - 1) as usize)
        };
        let (columns, rows) = (near(left, self.width), near(top, self.height));
        let mut sums = [0.0_f32; 3];
        for (row, down) in rows.into_iter().zip(down) {
            let line = &self.pixels[row * self.width * 3..][..self.width * 3];
            for (column, across) in columns.into_iter().zip(across) {
                for (sum, value) in sums.iter_mut().zip(&line[column * 3..][..3]) {
                    *sum += down * across * f32::from(*value);
                }
            }
        }
        sums.map(|sum| sum.round().clamp(0.0, 255.0) as u8)
    }
}

/// What the four nearest pixels weigh, at a share (0..1) of the way from the second to the third.
fn weights(share: f32) -> [f32; 4] {
    let near = |x: f32| ((A + 2.0) * x - (A + 3.0)) * x * x + 1.0;
    let far = |x: f32| ((A * x - 5.0 * A) * x + 8.0 * A) * x - 4.0 * A;
    [
        far(1.0 + share),
        near(share),
        near(1.0 - share),
        far(2.0 - share),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn picture(width: usize, height: usize) -> Vec<u8> {
        let at = |pixel: usize, channel: usize| {
            let (x, y) = ((pixel % width) as f64, (pixel / width) as f64);
            let wave = (x / 5.0 + channel as f64).sin() + (y / 7.0).cos();
            (127.0 + 50.0 * wave) as u8
        };
        (0..width * height * 3).map(|i| at(i / 3, i % 3)).collect()
    }

    #[test]
    fn the_identity_and_whole_steps_change_nothing() {
        let pixels = picture(20, 12);
        let rgb = Rgb::new(20, 12, &pixels).expect("the right length");
        let (same, inside) = rgb.warped(&Transform::IDENTITY);
        assert!(same == pixels && inside.iter().all(|inside| *inside));
        let (moved, inside) = rgb.warped(&Transform::shift(3.0, -2.0));
        for row in 0..12 {
            for column in 0..20 {
                let seen = column + 3 < 20 && row >= 2;
                assert_eq!(inside[row * 20 + column], seen, "{column}, {row}");
                if seen {
                    let from = &pixels[((row - 2) * 20 + column + 3) * 3..][..3];
                    assert_eq!(&moved[(row * 20 + column) * 3..][..3], from);
                }
            }
        }
    }

    /// There and back is the same picture, but for what two interpolations round.
    #[test]
    fn a_smooth_picture_comes_back() {
        let pixels = picture(40, 40);
        let rgb = Rgb::new(40, 40, &pixels).expect("the right length");
        let turn = Transform::similarity(3.0, 1.02, (0.4, -0.7), (19.5, 19.5));
        let (there, _) = rgb.warped(&turn);
        let there = Rgb::new(40, 40, &there).expect("the right length");
        let (back, _) = there.warped(&turn.inverse().expect("it does not flatten"));
        for row in 4..36 {
            for column in 4..36 {
                let at = (row * 40 + column) * 3;
                let off = back[at].abs_diff(pixels[at]);
                assert!(off <= 3, "{column}, {row}: {off}");
            }
        }
    }

    #[test]
    fn one_pixel_is_a_picture_and_none_is_not() {
        let rgb = Rgb::new(1, 1, &[9, 200, 0]).expect("one pixel");
        let (seen, _) = rgb.warped(&Transform::shift(0.3, 0.3));
        assert_eq!(seen, [9, 200, 0]);
        assert!(Rgb::new(0, 4, &[]).is_err() && Rgb::new(1, 1, &[0; 4]).is_err());
    }
}
