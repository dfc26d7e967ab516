//! Refines a coarse transform: Gauss-Newton steps on the grey values.

use super::grey::GreyImage;
use crate::inspection::transform::Transform;
use nalgebra::{Matrix4, Vector4};

/// Steps of one level at most.
const STEPS: usize = 12;
/// A step that moves no corner by so many pixels is the last.
const ENOUGH: f64 = 0.01;

/// A reference at one size, with what every step needs of it.
#[derive(Debug, Clone)]
pub(super) struct Level {
    pub(super) image: GreyImage,
    mean: f32,
    spread: f32,
    /// Gradient (x, y) of each pixel, of the picture with a standard deviation of 1.
    gradient: Vec<(f32, f32)>,
}

impl Level {
    /// Takes the gradients of a picture by central differences.
    pub(super) fn new(image: GreyImage) -> Self {
        let (mean, spread) = image.spread();
        let (width, height) = (image.width(), image.height());
        let values = image.values();
        let scale = 0.5 / spread.max(f32::MIN_POSITIVE);
        let mut gradient = Vec::with_capacity(values.len());
        for row in 0..height {
            for column in 0..width {
                let at = |row: usize, column: usize| values[row * width + column];
                let right =
                    at(row, (column + 1).min(width - 1)) - at(row, column.saturating_sub(1));
                let down =
                    at((row + 1).min(height - 1), column) - at(row.saturating_sub(1), column);
                gradient.push((right * scale, down * scale));
            }
        }
        Self {
            image,
            mean,
            spread,
            gradient,
        }
    }

    /// Improves `start`, which takes positions of the reference to positions of `test`, both at this size: turn, scale
    /// and shift.
    ///
    /// The inverse compositional form of Gauss-Newton (Baker and Matthews, 2004) on grey values without their mean and
    /// scale, as the enhanced correlation coefficient has them (Evangelidis and Psarakis, 2008): a change of light or
    /// contrast is no motion. Pixels that differ by much, such as a defect, weigh less (Cauchy).
    pub(super) fn refine(&self, test: &GreyImage, start: Transform) -> Transform {
        let mut best = start;
        for _ in 0..STEPS {
            let Some(step) = self.step(test, &best) else {
                return best;
            };
            let Some(back) = step.inverse() else {
                return best;
            };
            best = back.then(&best);
            if self.largest_move(&step) < ENOUGH {
                break;
            }
        }
        best
    }

    /// The small transform of the reference that makes it most like the test picture as it is warped now.
    fn step(&self, test: &GreyImage, now: &Transform) -> Option<Transform> {
        let (width, height) = (self.image.width(), self.image.height());
        let (warped, valid) = warp(test, now, width, height);
        let mut sums = (0_usize, 0.0_f64, 0.0_f64);
        for (value, _) in warped.iter().zip(&valid).filter(|(_, valid)| **valid) {
            sums = (
                sums.0 + 1,
                sums.1 + f64::from(*value),
                sums.2 + f64::from(value * value),
            );
        }
        if sums.0 * 4 < warped.len() {
            return None;
        }
        let mean = sums.1 / sums.0 as f64;
        let spread = (sums.2 / sums.0 as f64 - mean * mean).max(0.0).sqrt();
        if spread < 1e-6 || self.spread < 1e-6 {
            return None;
        }
        let (mean, scale) = (mean as f32, 1.0 / spread as f32);
        let (own_mean, own_scale) = (self.mean, 1.0 / self.spread);
        let difference = |index: usize, value: f32| {
            (value - mean) * scale - (self.image.values()[index] - own_mean) * own_scale
        };
        let typical = {
            let all = warped
                .iter()
                .zip(&valid)
                .enumerate()
                .filter(|(_, (_, valid))| **valid);
            let sum: f64 = all
                .map(|(index, (value, _))| f64::from(difference(index, *value).abs()))
                .sum();
            (2.0 * sum / sums.0 as f64).max(1e-3) as f32
        };
        // Positions about the centre, in units of the half side, so that the four unknowns are alike.
        let unit = width.max(height) as f32 / 2.0;
        let centre = ((width - 1) as f32 / 2.0, (height - 1) as f32 / 2.0);
        let mut normal = [[0.0_f64; 4]; 4];
        let mut right = [0.0_f64; 4];
        for row in 0..height {
            let v = (row as f32 - centre.1) / unit;
            // Sums of one row in float32, of all rows in float64.
            let mut row_normal = [0.0_f32; 10];
            let mut row_right = [0.0_f32; 4];
            for column in 0..width {
                let index = row * width + column;
                if !valid[index] {
                    continue;
                }
                let error = difference(index, warped[index]);
                let weight = 1.0 / (1.0 + (error / typical).powi(2));
                let u = (column as f32 - centre.0) / unit;
                let (x, y) = self.gradient[index];
                let slope = [x * u + y * v, y * u - x * v, x, y];
                let mut at = 0;
                for i in 0..4 {
                    let weighted = weight * slope[i];
                    row_right[i] += weighted * error;
                    for other in &slope[i..] {
                        row_normal[at] += weighted * other;
                        at += 1;
                    }
                }
            }
            let mut at = 0;
            for i in 0..4 {
                right[i] += f64::from(row_right[i]);
                for sum in &mut normal[i][i..] {
                    *sum += f64::from(row_normal[at]);
                    at += 1;
                }
            }
        }
        let trace: f64 = (0..4).map(|i| normal[i][i]).sum();
        let matrix = Matrix4::from_fn(|i, j| {
            normal[i.min(j)][i.max(j)] + if i == j { trace * 1e-9 + 1e-12 } else { 0.0 }
        });
        let solved = matrix.cholesky()?.solve(&Vector4::from(right));
        let (grow, turn) = (solved[0] / f64::from(unit), solved[1] / f64::from(unit));
        let (cx, cy) = (f64::from(centre.0), f64::from(centre.1));
        let step = Transform([
            [1.0 + grow, -turn, solved[2] - grow * cx + turn * cy],
            [turn, 1.0 + grow, solved[3] - turn * cx - grow * cy],
        ]);
        step.0
            .iter()
            .flatten()
            .all(|number| number.is_finite())
            .then_some(step)
    }

    fn largest_move(&self, step: &Transform) -> f64 {
        let (right, bottom) = (
            (self.image.width() - 1) as f64,
            (self.image.height() - 1) as f64,
        );
        let corners = [(0.0, 0.0), (right, 0.0), (0.0, bottom), (right, bottom)];
        let moved = corners.map(|(x, y)| {
            let (u, v) = step.apply(x, y);
            (u - x).hypot(v - y)
        });
        moved.into_iter().fold(0.0, f64::max)
    }
}

/// Reads `image` where `transform` takes each pixel of a picture of `width` × `height`, between pixels bilinearly; and
/// which of them lie inside.
pub(super) fn warp(
    image: &GreyImage,
    transform: &Transform,
    width: usize,
    height: usize,
) -> (Vec<f32>, Vec<bool>) {
    let (mut values, mut valid) = (vec![0.0; width * height], vec![false; width * height]);
    let (right, bottom) = ((image.width() - 1) as f64, (image.height() - 1) as f64);
    let pixels = image.values();
    let stride = image.width();
    let [[a, _, _], [c, _, _]] = transform.0;
    for row in 0..height {
        let (x0, y0) = transform.apply(0.0, row as f64);
        for column in 0..width {
            let (x, y) = (x0 + a * column as f64, y0 + c * column as f64);
            // The tolerance keeps the last row and column of an identity that was computed.
            if !(x >= -1e-6 && y >= -1e-6 && x <= right + 1e-6 && y <= bottom + 1e-6) {
                continue;
            }
            let (x, y) = (x.clamp(0.0, right), y.clamp(0.0, bottom));
            let (left, top) = (x as usize, y as usize);
            let (beside, below) = (
                (left + 1).min(stride - 1),
                (top + 1).min(image.height() - 1),
            );
            let (across, down) = ((x - left as f64) as f32, (y - top as f64) as f32);
            let line = |row: usize| {
                let (first, second) = (pixels[row * stride + left], pixels[row * stride + beside]);
                first + (second - first) * across
            };
            let (upper, lower) = (line(top), line(below));
            values[row * width + column] = upper + (lower - upper) * down;
            valid[row * width + column] = true;
        }
    }
    (values, valid)
}
