//! What a model's image encoder expects, from its bundle's manifest.

use serde::{Deserialize, Serialize};

/// How an image of any shape becomes the encoder's shape.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ResizeMode {
    /// Scale until the image just covers the input, keep the centre. What CLIP does.
    Shortest,
    /// Scale each side on its own; the shape is not kept. What SigLIP does.
    Squash,
    /// Scale until the image just fits in, fill the rest with [`ImageSpec::fill_color`].
    Longest,
}

/// The resampling filter, in Pillow's definition: its support grows with the reduction (antialiased).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Interpolation {
    /// Cubic convolution (Keys 1981) with a = -0.5.
    Bicubic,
    /// A triangle.
    Bilinear,
}

/// Where a centre crop begins if an odd number of pixels is to be dropped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CropRounding {
    /// At the even one of the two pixels that are as near. What torchvision and open_clip do.
    #[default]
    HalfEven,
    /// At the lower one. What transformers does.
    Down,
}

/// What the encoder's graph takes.
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
    /// Height of the encoder's input in pixels. At least 1; 0 is taken as 1.
    pub height: usize,
    /// Width of the encoder's input in pixels. At least 1; 0 is taken as 1.
    pub width: usize,
    /// Mean of red, green, blue, in units of pixel / 255.
    pub mean: [f32; 3],
    /// Standard deviation of red, green, blue, in units of pixel / 255. Not 0.
    pub std: [f32; 3],
    /// How the image becomes `height` by `width`.
    pub resize_mode: ResizeMode,
    /// The resampling filter.
    pub interpolation: Interpolation,
    /// Where the centre crop begins if the pixels to drop cannot be halved.
    pub crop_rounding: CropRounding,
    /// Grey value, 0 to 255, around an image that [`ResizeMode::Longest`] leaves too small.
    pub fill_color: u8,
    /// Turn the image as its EXIF data says before anything else? torchvision and open_clip do not.
    pub exif_orientation: bool,
    /// What the encoder's graph takes.
    pub layout: InputLayout,
}
