//! Copies of an OK picture that are as good: what a camera makes of the same part a moment later.

use super::transform::Transform;
use super::warp::Rgb;

/// Largest shift of a copy, in pixels, and its largest turn, in degrees: what a registration leaves.
const SHIFT: f64 = 1.0;
const TURN: f64 = 0.25;
/// Largest change of the brightness, and of the contrast, as a share.
const LIGHT: f32 = 0.05;
/// Largest change of the sharpness: how much of its difference from the mean of its surroundings a pixel gains or loses.
const SHARPNESS: f32 = 0.4;
/// Standard deviation of the noise of the noisiest copy, in levels of 255.
const NOISE: f32 = 3.0;

/// The copy with a number, 0 or more, as 8-bit RGB: moved by a part of a pixel, a little brighter or darker, sharper
/// or softer, and with noise.
/// The same number gives the same changes to every picture.
#[must_use]
pub fn copy(picture: &Rgb<'_>, number: u64) -> Vec<u8> {
    let mut random = fastrand::Rng::with_seed(number.wrapping_add(1));
    let mut within = |most: f64| (random.f64() * 2.0 - 1.0) * most;
    let (width, height) = picture.size();
    let centre = ((width - 1) as f64 / 2.0, (height - 1) as f64 / 2.0);
    let shift = (within(SHIFT), within(SHIFT));
    let turn = within(TURN);
    let (light, contrast) = (within(LIGHT.into()) as f32, within(LIGHT.into()) as f32);
    let sharpness = within(SHARPNESS.into()) as f32;
    let noise = within(1.0).abs() as f32 * NOISE;
    let moved = Transform::similarity(turn, 1.0, shift, centre);
    let (moved, _) = picture.warped(&moved);
    let soft = softened(&moved, width, height);
    let mut pixels = moved;
    for (value, soft) in pixels.iter_mut().zip(soft) {
        // The sum of four uniform numbers is near enough to a normal one, whose standard deviation is 1 / √3.
        let sum: f32 = (0..4).map(|_| random.f32() - 0.5).sum();
        let seen = f32::from(*value) + sharpness * (f32::from(*value) - soft);
        let seen = (seen - 127.5) * (1.0 + contrast) + 127.5;
        let seen = seen * (1.0 + light) + sum * noise * 3.0_f32.sqrt();
        *value = seen.round().clamp(0.0, 255.0) as u8;
    }
    pixels
}

/// The mean of each number and those of the up to eight pixels around it.
fn softened(pixels: &[u8], width: usize, height: usize) -> Vec<f32> {
    let mut soft = Vec::with_capacity(pixels.len());
    for row in 0..height {
        let rows = row.saturating_sub(1)..(row + 2).min(height);
        for column in 0..width {
            let columns = column.saturating_sub(1)..(column + 2).min(width);
            let count = (rows.len() * columns.len()) as f32;
            let mut sums = [0.0_f32; 3];
            for near in rows.clone() {
                for pixel in pixels[(near * width + columns.start) * 3..][..columns.len() * 3]
                    .chunks_exact(3)
                {
                    for (sum, value) in sums.iter_mut().zip(pixel) {
                        *sum += f32::from(*value);
                    }
                }
            }
            soft.extend(sums.map(|sum| sum / count));
        }
    }
    soft
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn copies_differ_a_little_and_are_the_same_each_time() {
        let pixels: Vec<u8> = (0..64 * 64 * 3)
            .map(|i| {
                let (x, y) = ((i / 3 % 64) as f32, (i / 3 / 64) as f32);
                (127.0 + 60.0 * (x / 9.0).sin() + 30.0 * (y / 5.0).cos()) as u8
            })
            .collect();
        let picture = Rgb::new(64, 64, &pixels).expect("the right length");
        let copies: Vec<_> = (0..6).map(|number| copy(&picture, number)).collect();
        for (number, found) in copies.iter().enumerate() {
            let again = copy(&picture, number as u64);
            assert_eq!(*found, again);
            let off = found
                .iter()
                .zip(&pixels)
                .map(|(a, b)| f64::from(a.abs_diff(*b)));
            let off = off.sum::<f64>() / pixels.len() as f64;
            assert!(off > 0.2 && off < 14.0, "{number}: {off}");
            for other in &copies[..number] {
                assert_ne!(found, other);
            }
        }
    }
}
