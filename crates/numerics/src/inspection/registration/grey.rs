//! Grey pictures at the sizes that registration works at.

use crate::inspection::error::InspectionError;

/// A grey picture, row by row from the top, 0 (black) to 1. It has at least one pixel.
#[derive(Debug, Clone, PartialEq)]
pub struct GreyImage {
    width: usize,
    height: usize,
    values: Vec<f32>,
}

impl GreyImage {
    /// Wraps the pixels; an error if there are none, if their number is not `width * height`, or if one is not finite.
    pub fn new(width: usize, height: usize, values: Vec<f32>) -> Result<Self, InspectionError> {
        let expected = width.saturating_mul(height);
        if expected == 0 || values.len() != expected {
            let found = values.len();
            return Err(InspectionError::Length {
                what: "a grey picture",
                expected: expected.max(1),
                found,
            });
        }
        if let Some(at) = values.iter().position(|value| !value.is_finite()) {
            return Err(InspectionError::NotFinite {
                what: "a grey picture",
                at,
            });
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

    /// The pixels, row by row.
    #[must_use]
    pub fn values(&self) -> &[f32] {
        &self.values
    }

    /// The picture with its longer side at most `most` pixels, the ratio kept.
    #[must_use]
    pub fn at_most(&self, most: usize) -> Self {
        let (width, height) = working_size(self.width, self.height, most);
        self.shrunk(width, height)
    }

    /// The picture at a size that is not larger, every pixel the mean of the area that it covers.
    pub(super) fn shrunk(&self, width: usize, height: usize) -> Self {
        if (width, height) == (self.width, self.height) {
            return self.clone();
        }
        let (columns, rows) = (covered(self.width, width), covered(self.height, height));
        // Rows first: what is read in memory order is added in memory order.
        let mut narrow = vec![0.0; width * self.height];
        for (row, to) in self
            .values
            .chunks_exact(self.width)
            .zip(narrow.chunks_exact_mut(width))
        {
            for (to, (first, weights)) in to.iter_mut().zip(&columns) {
                *to = row[*first..]
                    .iter()
                    .zip(weights)
                    .map(|(value, weight)| value * weight)
                    .sum();
            }
        }
        let mut values = vec![0.0; width * height];
        for (to, (first, weights)) in values.chunks_exact_mut(width).zip(&rows) {
            for (row, weight) in narrow.chunks_exact(width).skip(*first).zip(weights) {
                for (to, value) in to.iter_mut().zip(row) {
                    *to += value * weight;
                }
            }
        }
        Self {
            width,
            height,
            values,
        }
    }

    /// Mean and standard deviation.
    pub(super) fn spread(&self) -> (f32, f32) {
        let count = self.values.len() as f64;
        let mean = self
            .values
            .iter()
            .map(|value| f64::from(*value))
            .sum::<f64>()
            / count;
        let square = self
            .values
            .iter()
            .map(|value| (f64::from(*value) - mean).powi(2))
            .sum::<f64>();
        (mean as f32, (square / count).sqrt() as f32)
    }
}

/// For each pixel of the smaller side: its first pixel in the larger one, and the share of each from there on.
fn covered(from: usize, to: usize) -> Vec<(usize, Vec<f32>)> {
    let step = from as f64 / to as f64;
    let one = |index: usize| {
        let (start, end) = (
            index as f64 * step,
            ((index + 1) as f64 * step).min(from as f64),
        );
        let first = start as usize;
        let last = (end.ceil() as usize).clamp(first + 1, from);
        let part = |pixel: usize| ((pixel + 1) as f64).min(end) - (pixel as f64).max(start);
        (
            first,
            (first..last)
                .map(|pixel| (part(pixel) / (end - start)) as f32)
                .collect(),
        )
    };
    (0..to).map(one).collect()
}

/// The size to work at: the longer side at most `most`, the ratio kept, no side under 1, and never larger.
pub(super) fn working_size(width: usize, height: usize, most: usize) -> (usize, usize) {
    let longer = width.max(height);
    if longer <= most {
        return (width, height);
    }
    let side = |length: usize| ((length * most + longer / 2) / longer).max(1);
    (side(width), side(height))
}
