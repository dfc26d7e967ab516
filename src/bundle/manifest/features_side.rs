//! The third graph of a bundle, which is optional: maps of a frozen pre-trained tower, for inspection.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::graph::Element;
use super::image_side::{ImageInput, Layout};

/// Largest number of pixels, height times width, of one run of the graph: an image of 1024 x 1024, or five of 448 x 448. The
/// first maps of a run take about 300 bytes per pixel.
pub const MAX_PIXELS: usize = 1 << 20;

/// Sides are at least this many times the largest stride: padding by reflection needs a few values to reflect.
const LEAST_ROWS: usize = 4;

/// Largest [`FeatureOutput::offset`].
const MAX_OFFSET: usize = 4096;

/// The graph of features: its input and outputs. Of an image only the input size differs from the image encoder's rules.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FeaturesSide {
    /// File of the graph.
    pub graph: String,
    /// Its input: NHWC, uint8. Batch, height and width are free.
    pub input: ImageInput,
    /// Default height and width of the input, in pixels.
    pub size: [usize; 2],
    /// The outputs, float32 `[batch, channels, height / stride, width / stride]`.
    pub outputs: Vec<FeatureOutput>,
    /// Distance from PyTorch by output, measured at export.
    #[serde(default)]
    pub parity: BTreeMap<String, FeatureParity>,
    /// File of the golden values.
    pub golden: String,
    /// Largest relative distance at which the golden check passes.
    pub golden_tolerance: f64,
    /// The tower, for people.
    #[serde(default)]
    pub source: String,
    /// SPDX identifier of its licence.
    #[serde(default)]
    pub license: String,
}

/// One output of the graph.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FeatureOutput {
    /// Its name in the graph.
    pub name: String,
    /// Pixels from one value to the next.
    pub stride: usize,
    /// Number of channels.
    pub channels: usize,
    /// The pixel on which the first value of a row or column is centred.
    #[serde(default)]
    pub offset: usize,
}

/// Distance of an output from PyTorch, over the check set of the export.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub struct FeatureParity {
    /// Largest ‖difference‖ / ‖expected‖ of an image.
    pub worst: f64,
    /// Largest absolute difference of a number.
    pub max_abs: f64,
}

impl FeaturesSide {
    /// Both sides of an input are multiples of this: the largest stride.
    #[must_use]
    pub fn multiple_of(&self) -> usize {
        let strides = self.outputs.iter().map(|output| output.stride);
        strides.max().unwrap_or(1).max(1)
    }

    /// Checks a height and width, in pixels.
    ///
    /// # Errors
    /// A sentence that says what is possible.
    pub fn check_size(&self, [height, width]: [usize; 2]) -> Result<(), String> {
        let step = self.multiple_of();
        let fits = |side: usize| side.is_multiple_of(step) && side >= LEAST_ROWS * step;
        let pixels = height.checked_mul(width);
        if fits(height) && fits(width) && pixels.is_some_and(|pixels| pixels <= MAX_PIXELS) {
            return Ok(());
        }
        Err(format!(
            "features of {height} x {width} pixels are not possible: both sides must be multiples of {step} and at least {}, \
             and their product at most {MAX_PIXELS}",
            LEAST_ROWS * step
        ))
    }

    /// Bytes of an image of this size on its way through the graph: its pixels and all outputs.
    #[must_use]
    pub fn bytes(&self, [height, width]: [usize; 2]) -> usize {
        let values = self.outputs.iter().map(|output| {
            let stride = output.stride.max(1);
            output.channels * (height / stride) * (width / stride)
        });
        height * width * 3 + values.sum::<usize>() * size_of::<f32>()
    }

    /// Checks the section by itself.
    pub(super) fn check(&self) -> Result<(), String> {
        if (self.input.layout, self.input.element) != (Layout::Nhwc, Element::Uint8) {
            return Err("features.input: only NHWC with uint8 is supported".to_owned());
        }
        if !(1..=16).contains(&self.outputs.len()) {
            return Err("features.outputs: needs 1 to 16 outputs".to_owned());
        }
        let names: BTreeSet<_> = self.outputs.iter().map(|output| &output.name).collect();
        if names.len() < self.outputs.len() {
            return Err("features.outputs: two outputs have the same name".to_owned());
        }
        let deepest = self.multiple_of();
        for FeatureOutput {
            name,
            stride,
            channels,
            offset,
        } in &self.outputs
        {
            if !(1..=64).contains(stride) || !deepest.is_multiple_of(*stride) {
                return Err(format!(
                    "features.outputs: stride {stride} of {name} is outside 1..64 or does not divide the largest one"
                ));
            }
            if *offset > MAX_OFFSET {
                return Err(format!(
                    "features.outputs: offset {offset} of {name} is outside 0..{MAX_OFFSET}"
                ));
            }
            if !(1..=4096).contains(channels) {
                return Err(format!(
                    "features.outputs: {channels} channels of {name} are outside 1..4096"
                ));
            }
        }
        if !(self.golden_tolerance.is_finite() && self.golden_tolerance > 0.0) {
            return Err("features.golden_tolerance: must be greater than 0".to_owned());
        }
        let fits = self.check_size(self.size);
        fits.map_err(|reason| format!("features.size: {reason}"))
    }
}
