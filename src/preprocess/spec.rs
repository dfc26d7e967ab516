//! The image encoder's input requirements, from the bundle's manifest.

use serde::{Deserialize, Serialize};

/// How an image of any shape is fitted to the encoder's shape.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ResizeMode {
    /// Scale until the image just covers the input and crop the centre, as in CLIP.
    Shortest,
    /// Scale each side separately, without keeping the aspect ratio, as in SigLIP.
    Squash,
    /// Scale until the image just fits in, and fill the rest with [`ImageSpec::fill_color`].
    Longest,
}

/// The resampling filter, in Pillow's definition: its support grows with the reduction (antialiased).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Interpolation {
    /// Cubic convolution (Keys 1981) with a = -0.5.
    Bicubic,
    /// Triangle filter.
    Bilinear,
}

/// The start of a centre crop if an odd number of pixels is dropped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CropRounding {
    /// At the even one of the two nearest pixels, as in torchvision and open_clip.
    #[default]
    HalfEven,
    /// At the lower one, as in transformers.
    Down,
}

/// The input of the encoder's graph.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum InputLayout {
    /// Bytes, `[height, width, channel]`; the graph normalises.
    NhwcUint8,
    /// `(pixel / 255 - mean) / std`, `[channel, height, width]`.
    NchwFloat32,
}

/// The image section of a bundle's manifest, as far as preprocessing needs it.
#[derive(Debug, Clone, PartialEq)]
pub struct ImageSpec {
    /// Height of the encoder's input in pixels. At least 1; 0 counts as 1.
    pub height: usize,
    /// Width of the encoder's input in pixels. At least 1; 0 counts as 1.
    pub width: usize,
    /// Mean of red, green, blue, in units of pixel / 255.
    pub mean: [f32; 3],
    /// Standard deviation of red, green, blue, in units of pixel / 255. Not 0.
    pub std: [f32; 3],
    /// How the image is fitted to `height` by `width`.
    pub resize_mode: ResizeMode,
    /// The resampling filter.
    pub interpolation: Interpolation,
    /// The start of the centre crop if the number of pixels to drop is odd.
    pub crop_rounding: CropRounding,
    /// Grey value, 0 to 255, of the padding of [`ResizeMode::Longest`].
    pub fill_color: u8,
    /// Whether the image is first turned according to its EXIF data. torchvision and open_clip do not do this.
    pub exif_orientation: bool,
    /// The input of the encoder's graph.
    pub layout: InputLayout,
}
