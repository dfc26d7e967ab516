//! Phase correlation: a coarse shift, turn and scale from Fourier spectra.

use rustfft::{Fft, FftPlanner, num_complex::Complex32};
use std::f64::consts::PI;
use std::sync::Arc;

/// Bins of the turn, over 180 degrees.
const ANGLES: usize = 256;
/// Bins of the logarithm of the radius.
const RADII: usize = 128;
/// The lowest frequency that is used, in cycles a side: below, the window shows.
const LOWEST: f64 = 3.0;

/// Transforms of the two fixed sizes, planned once.
#[derive(Clone)]
pub(super) struct Transforms {
    side: usize,
    picture: Plane,
    polar: Plane,
}

#[derive(Clone)]
struct Plane {
    rows: Axis,
    columns: Axis,
}

#[derive(Clone)]
struct Axis {
    forward: Arc<dyn Fft<f32>>,
    backward: Arc<dyn Fft<f32>>,
}

impl std::fmt::Debug for Transforms {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Transforms({})", self.side)
    }
}

/// The spectrum of a picture, and that of the log-polar picture of its magnitudes.
#[derive(Debug, Clone)]
pub(super) struct Spectrum {
    picture: Vec<Complex32>,
    polar: Vec<Complex32>,
}

impl Spectrum {
    pub(super) fn picture(&self) -> &[Complex32] {
        &self.picture
    }
}

impl Transforms {
    /// For pictures of up to `side` × `side`.
    pub(super) fn new(side: usize) -> Self {
        let mut planner = FftPlanner::new();
        let mut axis = |length| Axis {
            forward: planner.plan_fft_forward(length),
            backward: planner.plan_fft_inverse(length),
        };
        Self {
            side,
            picture: Plane {
                rows: axis(side),
                columns: axis(side),
            },
            polar: Plane {
                rows: axis(RADII),
                columns: axis(ANGLES),
            },
        }
    }

    /// The spectrum of a picture's `values`, `width` a row, without its mean and faded out at its borders.
    pub(super) fn spectrum(&self, values: &[f32], width: usize) -> Vec<Complex32> {
        let height = values.len() / width;
        let mean = values.iter().sum::<f32>() / values.len() as f32;
        let (across, down) = (hann(width), hann(height));
        let mut plane = vec![Complex32::default(); self.side * self.side];
        for ((to, from), down) in plane
            .chunks_exact_mut(self.side)
            .zip(values.chunks_exact(width))
            .zip(&down)
        {
            for ((to, value), across) in to.iter_mut().zip(from).zip(&across) {
                to.re = (value - mean) * across * down;
            }
        }
        self.picture.forward(&mut plane);
        plane
    }

    /// The spectrum, with what a turn and a scale are found from.
    pub(super) fn with_polar(&self, picture: Vec<Complex32>) -> Spectrum {
        let mut polar = self.log_polar(&picture);
        self.polar.forward(&mut polar);
        Spectrum { picture, polar }
    }

    /// The shift in pixels that takes the first picture onto the second.
    pub(super) fn shift(&self, first: &[Complex32], second: &[Complex32]) -> (f64, f64) {
        let (x, y) = self.picture.peak(first, second);
        (signed(x, self.side), signed(y, self.side))
    }

    /// The turn in degrees, −90..90, and the scale that take the first picture to the second (Reddy and Chatterji,
    /// 1996): a turn of a picture turns its magnitudes, and a scale shifts their logarithmic radius.
    pub(super) fn turn_and_scale(&self, first: &Spectrum, second: &Spectrum) -> (f64, f64) {
        let (radius, angle) = self.polar.peak(&first.polar, &second.polar);
        let degrees = signed(angle, ANGLES) * 180.0 / ANGLES as f64;
        // A larger picture has a smaller spectrum.
        let scale = (-signed(radius, RADII) * self.log_step()).exp();
        (degrees, scale)
    }

    fn log_step(&self) -> f64 {
        (self.side as f64 / 2.0 / LOWEST).ln() / RADII as f64
    }

    /// Magnitudes at the angles (rows) and radii (columns), high frequencies raised.
    fn log_polar(&self, spectrum: &[Complex32]) -> Vec<Complex32> {
        let side = self.side as i64;
        let magnitude = |x: i64, y: i64| {
            let (x, y) = (x.rem_euclid(side) as usize, y.rem_euclid(side) as usize);
            f64::from(spectrum[y * self.side + x].norm())
        };
        let mut polar = Vec::with_capacity(ANGLES * RADII);
        for angle in 0..ANGLES {
            let (sin, cos) = (angle as f64 * PI / ANGLES as f64).sin_cos();
            for radius in 0..RADII {
                let frequency = LOWEST * (radius as f64 * self.log_step()).exp();
                let (x, y) = (frequency * cos, frequency * sin);
                let (left, top) = (x.floor(), y.floor());
                let (right, bottom) = (x - left, y - top);
                let (left, top) = (left as i64, top as i64);
                let value = (magnitude(left, top) * (1.0 - right)
                    + magnitude(left + 1, top) * right)
                    * (1.0 - bottom)
                    + (magnitude(left, top + 1) * (1.0 - right)
                        + magnitude(left + 1, top + 1) * right)
                        * bottom;
                // The radius is a tapered axis: it does not close, as the angle does.
                let taper = (PI * (radius as f64 + 0.5) / RADII as f64).sin();
                polar.push(Complex32::new(((1.0 + value).ln() * taper) as f32, 0.0));
            }
        }
        let mean = polar.iter().map(|value| value.re).sum::<f32>() / polar.len() as f32;
        for value in &mut polar {
            value.re -= mean;
        }
        polar
    }
}

impl Plane {
    fn forward(&self, plane: &mut [Complex32]) {
        self.both(plane, |axis| &axis.forward);
    }

    fn both(&self, plane: &mut [Complex32], of: impl Fn(&Axis) -> &Arc<dyn Fft<f32>>) {
        let (rows, columns) = (of(&self.rows), of(&self.columns));
        let (width, height) = (rows.len(), columns.len());
        rows.process(plane);
        let mut turned = transposed(plane, width, height);
        columns.process(&mut turned);
        plane.copy_from_slice(&transposed(&turned, height, width));
    }

    /// Column and row of the highest value of the phase correlation, refined by a parabola on each axis.
    fn peak(&self, first: &[Complex32], second: &[Complex32]) -> (f64, f64) {
        let (width, height) = (self.rows.forward.len(), self.columns.forward.len());
        let crossed = |(a, b): (&Complex32, &Complex32)| {
            let product = b * a.conj();
            product / product.norm().max(f32::MIN_POSITIVE * 1e6)
        };
        let mut plane: Vec<_> = first.iter().zip(second).map(crossed).collect();
        self.both(&mut plane, |axis| &axis.backward);
        let best = (0..plane.len())
            .max_by(|a, b| plane[*a].re.total_cmp(&plane[*b].re))
            .unwrap_or(0);
        let (x, y) = (best % width, best / width);
        let at = |x: usize, y: usize| f64::from(plane[y % height * width + x % width].re);
        (
            x as f64 + vertex(at(x + width - 1, y), at(x, y), at(x + 1, y)),
            y as f64 + vertex(at(x, y + height - 1), at(x, y), at(x, y + 1)),
        )
    }
}

fn transposed(plane: &[Complex32], width: usize, height: usize) -> Vec<Complex32> {
    const BLOCK: usize = 16;
    let mut turned = vec![Complex32::default(); plane.len()];
    for top in (0..height).step_by(BLOCK) {
        for left in (0..width).step_by(BLOCK) {
            for row in top..(top + BLOCK).min(height) {
                for column in left..(left + BLOCK).min(width) {
                    turned[column * height + row] = plane[row * width + column];
                }
            }
        }
    }
    turned
}

/// Where a parabola through three values is highest, −0.5..0.5 from the middle one.
fn vertex(before: f64, middle: f64, after: f64) -> f64 {
    let bend = before - 2.0 * middle + after;
    if bend >= 0.0 {
        0.0
    } else {
        ((before - after) / (2.0 * bend)).clamp(-0.5, 0.5)
    }
}

/// A position on a circle as −half..half.
fn signed(position: f64, length: usize) -> f64 {
    let length = length as f64;
    if position > length / 2.0 {
        position - length
    } else {
        position
    }
}

fn hann(length: usize) -> Vec<f32> {
    let at = |index: usize| (PI * (index as f64 + 0.5) / length as f64).sin().powi(2) as f32;
    (0..length).map(at).collect()
}
