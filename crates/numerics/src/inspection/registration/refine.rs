//! Refines a coarse transform: Gauss-Newton steps on the grey values.

use super::grey::GreyImage;
use super::normal_equations::{Row, Sums};
use super::warp::{Warped, warp};
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
    /// The picture without its mean, with a standard deviation of 1.
    normalised: Vec<f32>,
    /// Its gradient, across and down.
    gradient: [Vec<f32>; 2],
}

impl Level {
    /// Takes the gradients of a picture by central differences.
    pub(super) fn new(image: GreyImage) -> Self {
        let (mean, spread) = image.spread();
        let (width, height) = (image.width(), image.height());
        let values = image.values();
        let scale = 1.0 / spread.max(f32::MIN_POSITIVE);
        let normalised = values.iter().map(|value| (value - mean) * scale).collect();
        let mut gradient = [(); 2].map(|()| Vec::with_capacity(values.len()));
        for row in 0..height {
            for column in 0..width {
                let at = |row: usize, column: usize| values[row * width + column];
                let right =
                    at(row, (column + 1).min(width - 1)) - at(row, column.saturating_sub(1));
                let down =
                    at((row + 1).min(height - 1), column) - at(row.saturating_sub(1), column);
                for (list, difference) in gradient.iter_mut().zip([right, down]) {
                    list.push(difference * 0.5 * scale);
                }
            }
        }
        Self {
            image,
            mean,
            spread,
            normalised,
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
        let mut warped = warp(test, now, width, height);
        let seen = warped.seen();
        if seen * 4 < warped.values.len() {
            return None;
        }
        let [sum, squares] = self.moments(&warped);
        // About the reference's mean, so that a picture of little contrast loses no digits.
        let offset = sum / seen as f64;
        let spread = (squares / seen as f64 - offset * offset).max(0.0).sqrt();
        if spread < 1e-6 || self.spread < 1e-6 {
            return None;
        }
        let light = ((f64::from(self.mean) + offset) as f32, 1.0 / spread as f32);
        let sum = self.subtract(&mut warped, light);
        let typical = (2.0 * sum / seen as f64).max(1e-3) as f32;
        // Positions about the centre, in units of the half side, so that the four unknowns are alike.
        let unit = width.max(height) as f32 / 2.0;
        let centre = ((width - 1) as f32 / 2.0, (height - 1) as f32 / 2.0);
        let across: Vec<f32> = (0..width)
            .map(|column| (column as f32 - centre.0) / unit)
            .collect();
        let mut sums = Sums::default();
        for (row, columns) in warped.rows.iter().enumerate() {
            let all = row * width + columns.start..row * width + columns.end;
            sums.add(&Row {
                down: (row as f32 - centre.1) / unit,
                across: &across[columns.clone()],
                errors: &warped.values[all.clone()],
                gradient: [&self.gradient[0][all.clone()], &self.gradient[1][all]],
                typical,
            });
        }
        let (normal, right) = (sums.normal, sums.right);
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

    /// Sum and sum of squares of what is seen, about the reference's mean: of a row in float32, of all rows in float64.
    fn moments(&self, warped: &Warped) -> [f64; 2] {
        let mut sums = [0.0; 2];
        for row in warped.seen_rows() {
            let [sum, squares] = sums_of(row, |value| {
                let above = value - self.mean;
                [above, above * above]
            });
            sums = [sums[0] + sum, sums[1] + squares];
        }
        sums
    }

    /// Replaces what is seen by its difference to the reference, both without their light (mean and 1 / spread) and contrast.
    /// Returns the sum of the magnitudes.
    fn subtract(&self, warped: &mut Warped, (mean, scale): (f32, f32)) -> f64 {
        let width = self.image.width();
        let mut sum = 0.0;
        let rows = warped.values.chunks_exact_mut(width);
        let own = self.normalised.chunks_exact(width);
        for ((row, own), columns) in rows.zip(own).zip(&warped.rows) {
            let row = &mut row[columns.clone()];
            for (value, own) in row.iter_mut().zip(&own[columns.clone()]) {
                *value = (*value - mean) * scale - own;
            }
            let [magnitudes] = sums_of(row, |value| [value.abs()]);
            sum += magnitudes;
        }
        sum
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

/// Sums over the values of a row, eight at a time.
fn sums_of<const N: usize>(row: &[f32], terms: impl Fn(f32) -> [f32; N]) -> [f64; N] {
    let mut sums = [[0.0_f32; 8]; N];
    let mut eights = row.chunks_exact(8);
    for eight in &mut eights {
        for (lane, value) in eight.iter().enumerate() {
            for (sums, term) in sums.iter_mut().zip(terms(*value)) {
                sums[lane] += term;
            }
        }
    }
    for value in eights.remainder() {
        for (sums, term) in sums.iter_mut().zip(terms(*value)) {
            sums[0] += term;
        }
    }
    sums.map(|sums| f64::from(sums.iter().sum::<f32>()))
}
