//! The image encoder in a manifest.

use serde::{Deserialize, Serialize};

use super::graph::{Element, yes};
use crate::preprocess::{CropRounding, ImageSpec, InputLayout, Interpolation, ResizeMode};

/// The image encoder: its input and outputs.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ImageSide {
    /// Height and width of the input, in pixels.
    pub size: [usize; 2],
    /// Mean to subtract, in units of pixel / 255.
    pub mean: [f32; 3],
    /// Standard deviation to divide by, in units of pixel / 255.
    pub std: [f32; 3],
    /// How a picture of another shape is fitted to `size`.
    pub resize_mode: ResizeMode,
    /// The filter, as Pillow names it.
    pub interpolation: Interpolation,
    /// Start of the centre crop if the number of pixels to drop is odd.
    #[serde(default)]
    pub crop_rounding: CropRounding,
    /// Grey level of the padding that `longest` adds.
    #[serde(default)]
    pub fill_color: u8,
    /// Whether EXIF orientation is applied first.
    #[serde(default)]
    pub exif_orientation: bool,
    /// The graph's input.
    pub input: ImageInput,
    /// Name of the graph's embedding output, `[batch, embedding_dim]`.
    pub output: String,
    /// Whether that output is L2-normalised already; otherwise the runtime normalises it.
    #[serde(default = "yes")]
    pub output_normalised: bool,
    /// Name of the output with one embedding per patch, `[batch, rows * cols, embedding_dim]`.
    #[serde(default)]
    pub patch_output: Option<String>,
    /// Rows and columns of the patches.
    #[serde(default)]
    pub patch_grid: Option<[usize; 2]>,
}

/// Input of the image graph.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ImageInput {
    /// Name of the input.
    pub name: String,
    /// Order of the axes.
    pub layout: Layout,
    /// Element type.
    #[serde(rename = "type")]
    pub element: Element,
}

/// Order of the axes of an image tensor.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Layout {
    /// batch, height, width, channel
    #[serde(rename = "NHWC")]
    Nhwc,
    /// batch, channel, height, width
    #[serde(rename = "NCHW")]
    Nchw,
}

impl ImageSide {
    /// Name of the output with the patches, and their rows and columns; `None` if the graph has none.
    #[must_use]
    pub fn patches(&self) -> Option<(&str, [usize; 2])> {
        Some((self.patch_output.as_deref()?, self.patch_grid?))
    }

    /// Checks the patches.
    pub(super) fn check_patches(&self) -> Result<(), String> {
        if self.patch_output.is_some() != self.patch_grid.is_some() {
            return Err("image: patch_output and patch_grid belong together".to_owned());
        }
        match self.patch_grid {
            Some(grid) if grid.iter().any(|side| !(1..=256).contains(side)) => {
                Err(format!("image.patch_grid: {grid:?} is outside 1..256"))
            }
            _ => Ok(()),
        }
    }

    /// The settings of preprocessing, or why their combination is not supported.
    pub fn spec(&self) -> Result<ImageSpec, String> {
        let layout = match (self.input.layout, self.input.element) {
            (Layout::Nhwc, Element::Uint8) => InputLayout::NhwcUint8,
            (Layout::Nchw, Element::Float32) => InputLayout::NchwFloat32,
            (layout, element) => {
                return Err(format!(
                    "image.input: {layout:?} with {element:?} is not supported; use NHWC with uint8 or NCHW with float32"
                ));
            }
        };
        Ok(ImageSpec {
            height: self.size[0],
            width: self.size[1],
            mean: self.mean,
            std: self.std,
            resize_mode: self.resize_mode,
            interpolation: self.interpolation,
            crop_rounding: self.crop_rounding,
            fill_color: self.fill_color,
            exif_orientation: self.exif_orientation,
            layout,
        })
    }
}
