//! The source pixels and weights of each pixel of the result.

use crate::preprocess::spec::Interpolation;

/// Fractional bits of a weight. As in Pillow, they leave room in 32 bits for 8 bits of the pixel and 2 for sums beyond 1.
pub(super) const FRACTION_BITS: u32 = 32 - 8 - 2;

/// The weights of one axis, for the pixels of a window only.
pub(super) struct Weights {
    /// Number of source pixels on this axis.
    pub source: usize,
    /// Number of weights reserved per pixel; unused ones are 0 and at the end.
    pub taps: usize,
    /// For each pixel of the window its first source pixel and the number of source pixels.
    pub ranges: Vec<(usize, usize)>,
    /// `taps` weights for each pixel of the window, in units of 2^-22.
    pub values: Vec<i32>,
}

impl Weights {
    /// Weights for the pixels `first .. first + count` of an axis that goes from `source` to `target` pixels.
    pub fn new(
        source: usize,
        target: usize,
        first: usize,
        count: usize,
        interpolation: Interpolation,
    ) -> Self {
        let (radius, filter): (f64, fn(f64) -> f64) = match interpolation {
            Interpolation::Bicubic => (2.0, bicubic),
            Interpolation::Bilinear => (1.0, triangle),
        };
        let scale = source as f64 / target as f64;
        // Enlarging interpolates between neighbours; reducing averages over the pixel's whole area.
        let stretch = scale.max(1.0);
        let support = radius * stretch;
        let shrink = 1.0 / stretch;
        let taps = (support.ceil() as usize * 2 + 1).min(source);

        let mut ranges = Vec::with_capacity(count);
        let mut values = vec![0; taps * count];
        let mut row = vec![0.0; taps];
        for (index, out) in values.chunks_exact_mut(taps).enumerate() {
            let centre = ((first + index) as f64 + 0.5) * scale;
            // The casts truncate the fraction, and negative values become 0.
            let start = (centre - support + 0.5) as usize;
            let end = ((centre + support + 0.5) as usize).min(source);
            let used = end.saturating_sub(start).min(taps);
            let row = &mut row[..used];
            let mut total = 0.0;
            for (tap, weight) in row.iter_mut().enumerate() {
                *weight = filter(((tap + start) as f64 - centre + 0.5) * shrink);
                total += *weight;
            }
            for (weight, out) in row.iter().zip(out) {
                *out = fixed_point(if total == 0.0 {
                    *weight
                } else {
                    weight / total
                });
            }
            ranges.push((start, used));
        }
        Self {
            source,
            taps,
            ranges,
            values,
        }
    }

    /// The first source pixel that the window needs, and the number of source pixels from there on.
    pub fn span(&self) -> (usize, usize) {
        let first = self.ranges.iter().map(|range| range.0).min().unwrap_or(0);
        let end = self
            .ranges
            .iter()
            .map(|range| range.0 + range.1)
            .max()
            .unwrap_or(0);
        (first, end - first)
    }
}

/// Rounds half away from zero to 22 fractional bits.
fn fixed_point(weight: f64) -> i32 {
    let scaled = weight * f64::from(1 << FRACTION_BITS);
    (if scaled < 0.0 {
        scaled - 0.5
    } else {
        scaled + 0.5
    }) as i32
}

/// Keys' cubic convolution kernel with a = -0.5. The operations are in Pillow's order, because another one would round
/// differently.
fn bicubic(x: f64) -> f64 {
    const A: f64 = -0.5;
    let x = x.abs();
    if x < 1.0 {
        ((A + 2.0) * x - (A + 3.0)) * x * x + 1.0
    } else if x < 2.0 {
        (((x - 5.0) * x + 8.0) * x - 4.0) * A
    } else {
        0.0
    }
}

/// The kernel of linear interpolation.
fn triangle(x: f64) -> f64 {
    (1.0 - x.abs()).max(0.0)
}
