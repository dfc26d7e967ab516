//! Dense features of a picture: a vector a patch.

use super::error::InspectionError;
use serde::{Deserialize, Serialize};

/// Features of one picture at one stride, as an encoder returns them: `[channels, height, width]`, every number finite.
#[derive(Debug, Clone, Copy)]
pub struct FeatureMap<'a> {
    channels: usize,
    height: usize,
    width: usize,
    values: &'a [f32],
}

/// Channels, height and width of a [`FeatureMap`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Shape {
    /// Numbers a patch.
    pub channels: usize,
    /// Rows of patches.
    pub height: usize,
    /// Patches a row.
    pub width: usize,
}

impl std::fmt::Display for Shape {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "[{}, {}, {}]", self.channels, self.height, self.width)
    }
}

impl<'a> FeatureMap<'a> {
    /// Wraps the numbers of a picture; an error if there are more or fewer than `channels * height * width`, none, or
    /// one that is not finite.
    pub fn new(shape: Shape, values: &'a [f32]) -> Result<Self, InspectionError> {
        let Shape {
            channels,
            height,
            width,
        } = shape;
        let expected = channels
            .checked_mul(height)
            .and_then(|n| n.checked_mul(width))
            .unwrap_or(usize::MAX);
        if values.len() != expected || values.is_empty() {
            return Err(InspectionError::Length {
                what: "a feature map",
                expected: expected.max(1),
                found: values.len(),
            });
        }
        // Zero times a number is zero unless the number is not finite. Eight lanes, since this reads every number.
        let mut sums = [0.0_f32; 8];
        let mut lanes = values.chunks_exact(8);
        for lane in lanes.by_ref() {
            for (sum, value) in sums.iter_mut().zip(lane) {
                *sum += value * 0.0;
            }
        }
        for (sum, value) in sums.iter_mut().zip(lanes.remainder()) {
            *sum += value * 0.0;
        }
        if sums.iter().any(|sum| *sum != 0.0) {
            let at = values
                .iter()
                .position(|value| !value.is_finite())
                .unwrap_or(0);
            return Err(InspectionError::NotFinite {
                what: "a feature map",
                at,
            });
        }
        Ok(Self {
            channels,
            height,
            width,
            values,
        })
    }

    /// Channels, height and width.
    #[must_use]
    pub fn shape(&self) -> Shape {
        Shape {
            channels: self.channels,
            height: self.height,
            width: self.width,
        }
    }

    /// The plane of one channel, row by row.
    pub(super) fn plane(&self, channel: usize) -> &'a [f32] {
        let patches = self.height * self.width;
        &self.values[channel * patches..][..patches]
    }
}
