//! A picture as it is seen under a transform.

use super::error::InspectionError;
use super::transform::Transform;
use multiversion::multiversion;

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
        let brightness = |pixel: &[u8; 3]| {
            let [red, green, blue] = pixel.map(f32::from);
            0.299 / 255.0 * red + 0.587 / 255.0 * green + 0.114 / 255.0 * blue
        };
        self.pixels.as_chunks().0.iter().map(brightness)
    }

    /// Reads the picture where `transform` takes each pixel of a picture of the same size, between pixels by cubic
    /// convolution (Keys, 1981); and which of them lie inside. Outside, the nearest pixel is repeated.
    #[must_use]
    pub fn warped(&self, transform: &Transform) -> (Vec<u8>, Vec<bool>) {
        let wide = Wide::new(self);
        let mut pixels = vec![0; self.pixels.len()];
        let mut inside = vec![false; self.width * self.height];
        let rows = pixels.chunks_exact_mut(self.width * 3);
        for (row, (pixels, inside)) in rows.zip(inside.chunks_exact_mut(self.width)).enumerate() {
            read_row(&wide, transform, row, pixels.as_chunks_mut().0, inside);
        }
        (pixels, inside)
    }
}

/// Pixels that are added at the left and at the top: a place inside is read from one pixel before it to two after it.
const BEFORE: usize = 1;
const AFTER: usize = 2;

/// Bytes of a pixel here: the fourth is not used.
const BYTES: usize = 4;

/// A picture with its outermost pixels repeated beside it, and four bytes a pixel: the four pixels of a row that a place is
/// read from are sixteen bytes, whichever they are.
struct Wide {
    /// The last column and row of the picture.
    last: (f64, f64),
    stride: usize,
    bytes: Vec<u8>,
}

impl Wide {
    fn new(picture: &Rgb<'_>) -> Self {
        let (width, height) = picture.size();
        let stride = (width + BEFORE + AFTER) * BYTES;
        let mut bytes = Vec::with_capacity(stride * (height + BEFORE + AFTER));
        for row in 0..height + BEFORE + AFTER {
            let row = row.saturating_sub(BEFORE).min(height - 1);
            let row = &picture.pixels[row * width * 3..][..width * 3];
            let row = row.as_chunks::<3>().0;
            let mut add = |[red, green, blue]: [u8; 3]| bytes.extend([red, green, blue, 0]);
            (0..BEFORE).for_each(|_| add(row[0]));
            row.iter().copied().for_each(&mut add);
            (0..AFTER).for_each(|_| add(row[width - 1]));
        }
        Self {
            last: ((width - 1) as f64, (height - 1) as f64),
            stride,
            bytes,
        }
    }
}

/// Reads a row of the picture that is seen under `transform`.
#[expect(
    clippy::needless_range_loop,
    reason = "functions of iterators are not built with the wider instructions, and would be called for each pixel"
)]
#[multiversion(targets("x86_64+avx2"))]
fn read_row(
    wide: &Wide,
    transform: &Transform,
    row: usize,
    pixels: &mut [[u8; 3]],
    inside: &mut [bool],
) {
    let (right, bottom) = wide.last;
    let row = row as f64;
    for column in 0..pixels.len().min(inside.len()) {
        let (x, y) = transform.apply(column as f64, row);
        inside[column] = x >= -0.5 && x <= right + 0.5 && y >= -0.5 && y <= bottom + 0.5;
        let (x, y) = (x.max(0.0).min(right), y.max(0.0).min(bottom));
        // Not negative, so that the whole part is the next number below.
        let (left, top) = (x as i32, y as i32);
        let across = weights((x - f64::from(left)) as f32);
        let down = weights((y - f64::from(top)) as f32);
        let first = top as usize * wide.stride + left as usize * BYTES;
        let mut sums = [0.0_f32; 4 * BYTES];
        for step in 0..4 {
            let Some((four, _)) = wide.bytes[first + step * wide.stride..].split_first_chunk()
            else {
                continue;
            };
            let four: &[u8; 4 * BYTES] = four;
            for lane in 0..4 * BYTES {
                sums[lane] += down[step] * f32::from(four[lane]);
            }
        }
        let mut colour = [0.5_f32; BYTES];
        for step in 0..4 {
            for channel in 0..BYTES {
                colour[channel] += across[step] * sums[step * BYTES + channel];
            }
        }
        // A cast to bytes keeps 0 to 255, and cuts what is behind the point.
        pixels[column] = [colour[0] as u8, colour[1] as u8, colour[2] as u8];
    }
}

/// What the four nearest pixels weigh, at a share (0..1) of the way from the second to the third.
#[inline(always)]
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
    use proptest::prelude::*;

    /// By the definition, in float64, before it is rounded.
    fn defined(rgb: &Rgb<'_>, (x, y): (f64, f64), channel: usize) -> f64 {
        let (width, height) = rgb.size();
        let kernel = |distance: f64| {
            let (x, a) = (distance.abs(), -0.5);
            match x {
                x if x <= 1.0 => (a + 2.0) * x.powi(3) - (a + 3.0) * x.powi(2) + 1.0,
                x if x < 2.0 => a * (x.powi(3) - 5.0 * x.powi(2) + 8.0 * x - 4.0),
                _ => 0.0,
            }
        };
        let (x, y) = (
            x.clamp(0.0, (width - 1) as f64),
            y.clamp(0.0, (height - 1) as f64),
        );
        let mut sum = 0.0;
        for row in y as i64 - 2..=y as i64 + 3 {
            for column in x as i64 - 2..=x as i64 + 3 {
                let nearest = |at: i64, side: usize| at.clamp(0, side as i64 - 1) as usize;
                let at = nearest(row, height) * width + nearest(column, width);
                let value = f64::from(rgb.pixels[at * 3 + channel]);
                sum += kernel(row as f64 - y) * kernel(column as f64 - x) * value;
            }
        }
        sum
    }

    proptest! {
        #[test]
        fn a_warped_picture_is_as_defined(
            sides in (1_usize..20, 1_usize..20),
            degrees in -180.0_f64..180.0,
            scale in 0.4_f64..2.5,
            shift in (-9.0_f64..9.0, -9.0_f64..9.0),
            seed in any::<u64>(),
        ) {
            let mut random = fastrand::Rng::with_seed(seed);
            let pixels: Vec<_> = (0..sides.0 * sides.1 * 3).map(|_| random.u8(..)).collect();
            let rgb = Rgb::new(sides.0, sides.1, &pixels).expect("the right length");
            let centre = (sides.0 as f64 / 2.0, sides.1 as f64 / 2.0);
            let transform = Transform::similarity(degrees, scale, shift, centre);
            let (found, inside) = rgb.warped(&transform);
            prop_assert_eq!((found.len(), inside.len()), (pixels.len(), sides.0 * sides.1));
            for (index, found) in found.into_iter().enumerate() {
                let pixel = index / 3;
                let at = transform.apply((pixel % sides.0) as f64, (pixel / sides.0) as f64);
                let wanted = defined(&rgb, at, index % 3).clamp(0.0, 255.0);
                prop_assert!((f64::from(found) - wanted).abs() < 0.51, "{found} {wanted}");
                let within = |value: f64, side: usize| (-0.5..=side as f64 - 0.5).contains(&value);
                prop_assert_eq!(inside[pixel], within(at.0, sides.0) && within(at.1, sides.1));
            }
        }
    }

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
