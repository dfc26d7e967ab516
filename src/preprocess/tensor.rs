//! Converts pixels to the encoder's input.

use super::{
    rgb::RgbImage,
    spec::{ImageSpec, InputLayout},
};

/// One item of the encoder's input, without the batch dimension.
#[derive(Debug, Clone, PartialEq)]
pub enum Pixels {
    /// `[height, width, 3]`, 0 to 255.
    U8(Vec<u8>),
    /// `[3, height, width]`, normalised.
    F32(Vec<f32>),
}

/// Lays out `image` according to `spec.layout`.
pub(super) fn to_pixels(image: RgbImage, spec: &ImageSpec) -> Pixels {
    match spec.layout {
        InputLayout::NhwcUint8 => Pixels::U8(image.into_pixels()),
        InputLayout::NchwFloat32 => Pixels::F32(normalise(image.pixels(), spec)),
    }
}

/// torchvision's `ToTensor` and `Normalize`. A byte has only 256 values, so a table holds their results. It is computed with
/// the same three operations in the same precision, so the results are exactly the same.
fn normalise(pixels: &[u8], spec: &ImageSpec) -> Vec<f32> {
    let mut out = Vec::with_capacity(pixels.len());
    for channel in 0..3 {
        let (mean, std) = (spec.mean[channel], spec.std[channel]);
        let table: [f32; 256] = std::array::from_fn(|value| (value as f32 / 255.0 - mean) / std);
        out.extend(
            pixels
                .chunks_exact(3)
                .map(|pixel| table[usize::from(pixel[channel])]),
        );
    }
    out
}
