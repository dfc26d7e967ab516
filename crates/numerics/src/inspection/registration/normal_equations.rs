//! The sums of a Gauss-Newton step: eight pixels at a time, so that the compiler makes vector instructions of them.

use multiversion::multiversion;

const LANES: usize = 8;

/// Sums over a row's pixels: 4 of the right side, 10 of the upper triangle.
const TERMS: usize = 14;

/// What is seen of a row.
pub(super) struct Row<'a> {
    /// Its place below the centre, in units of the half side.
    pub(super) down: f32,
    /// The places of its pixels.
    pub(super) across: &'a [f32],
    /// What is left to explain of each pixel.
    pub(super) errors: &'a [f32],
    /// The reference's gradient at each pixel, across and down.
    pub(super) gradient: [&'a [f32]; 2],
    /// An error of this size weighs half (Cauchy).
    pub(super) typical: f32,
}

/// The normal equations: of a row in float32, of all rows in float64.
#[derive(Default)]
pub(super) struct Sums {
    /// The upper triangle.
    pub(super) normal: [[f64; 4]; 4],
    pub(super) right: [f64; 4],
}

impl Sums {
    /// Adds a row. The unknowns are growth, turn, and shift across and down.
    pub(super) fn add(&mut self, row: &Row<'_>) {
        let sums = sums(row);
        let mut terms = sums
            .iter()
            .map(|lanes| f64::from(lanes.iter().sum::<f32>()));
        for (sum, term) in self.right.iter_mut().zip(&mut terms) {
            *sum += term;
        }
        for (i, line) in self.normal.iter_mut().enumerate() {
            for (sum, term) in line[i..].iter_mut().zip(&mut terms) {
                *sum += term;
            }
        }
    }
}

#[multiversion(targets("x86_64+avx2"))]
fn sums(row: &Row<'_>) -> [[f32; LANES]; TERMS] {
    let mut sums = [[0.0; LANES]; TERMS];
    let [right, down] = row.gradient;
    let mut eights = (
        row.across.chunks_exact(LANES),
        row.errors.chunks_exact(LANES),
        right.chunks_exact(LANES),
        down.chunks_exact(LANES),
    );
    let scale = row.typical.recip();
    while let (Some(u), Some(error), Some(x), Some(y)) = (
        eights.0.next(),
        eights.1.next(),
        eights.2.next(),
        eights.3.next(),
    ) {
        add(&mut sums, [u, error, x, y], row.down, scale);
    }
    // Zeros add nothing.
    let rest = [
        eights.0.remainder(),
        eights.1.remainder(),
        eights.2.remainder(),
        eights.3.remainder(),
    ];
    if !rest[0].is_empty() {
        let padded = rest.map(|rest| {
            let mut eight = [0.0; LANES];
            eight[..rest.len()].copy_from_slice(rest);
            eight
        });
        add(
            &mut sums,
            padded.each_ref().map(<[f32; LANES]>::as_slice),
            row.down,
            scale,
        );
    }
    sums
}

#[inline(always)]
fn add(sums: &mut [[f32; LANES]; TERMS], [u, error, x, y]: [&[f32]; 4], v: f32, scale: f32) {
    let eight = |values: &[f32]| <[f32; LANES]>::try_from(values).unwrap_or_default();
    let (u, error, x, y) = (eight(u), eight(error), eight(x), eight(y));
    let mut slopes = [[0.0; LANES]; 4];
    let mut weights = [0.0; LANES];
    for lane in 0..LANES {
        let relative = error[lane] * scale;
        weights[lane] = 1.0 / (1.0 + relative * relative);
        slopes[0][lane] = x[lane] * u[lane] + y[lane] * v;
        slopes[1][lane] = y[lane] * u[lane] - x[lane] * v;
    }
    slopes[2] = x;
    slopes[3] = y;
    let mut at = 4;
    for i in 0..4 {
        let mut weighted = [0.0; LANES];
        for lane in 0..LANES {
            weighted[lane] = weights[lane] * slopes[i][lane];
            sums[i][lane] += weighted[lane] * error[lane];
        }
        for other in &slopes[i..] {
            for lane in 0..LANES {
                sums[at][lane] += weighted[lane] * other[lane];
            }
            at += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_are_those_of_the_definition_whatever_the_length() {
        let mut random = fastrand::Rng::with_seed(3);
        for length in [0, 1, 7, 8, 9, 255, 256] {
            let mut list = || (0..length).map(|_| random.f32() - 0.5).collect::<Vec<_>>();
            let (across, errors, x, y) = (list(), list(), list(), list());
            let (down, typical) = (0.3, 0.7);
            let mut found = Sums::default();
            found.add(&Row {
                down,
                across: &across,
                errors: &errors,
                gradient: [&x, &y],
                typical,
            });
            let mut wanted = Sums::default();
            for pixel in 0..length {
                let at = |list: &[f32]| f64::from(list[pixel]);
                let (u, v, x, y) = (at(&across), f64::from(down), at(&x), at(&y));
                let error = at(&errors);
                let weight = 1.0 / (1.0 + (error / f64::from(typical)).powi(2));
                let slope = [x * u + y * v, y * u - x * v, x, y];
                for i in 0..4 {
                    wanted.right[i] += weight * slope[i] * error;
                    for j in i..4 {
                        wanted.normal[i][j] += weight * slope[i] * slope[j];
                    }
                }
            }
            let both = [(&found.right, &wanted.right)];
            let lines = both
                .into_iter()
                .chain(found.normal.iter().zip(&wanted.normal));
            for (found, wanted) in lines {
                for (found, wanted) in found.iter().zip(wanted) {
                    assert!((found - wanted).abs() < 1e-5, "{length}: {found} {wanted}");
                }
            }
        }
    }
}
