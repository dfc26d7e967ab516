//! Decodes large JPEGs at a half, a quarter or an eighth of their size, from their DCT coefficients: libjpeg-turbo.
//!
//! A camera's 12 megapixels are decoded three times as fast this way. The result differs from a resize with antialiasing, so
//! it is used only where the difference does not matter: both sides must stay at least [`LEAST_REDUCTION`] times those of
//! the encoder's input (1 − cosine of embeddings at most 6e-6 with CLIP; nearer to the input's size it reaches 1.4e-4. The
//! demo model is more sensitive: 3e-5). And they must be whole multiples of the divisor: a rounded side shifts the picture
//! by a fraction of a pixel, which affects the demo model (1.4e-3).

use image::metadata::Orientation;
use turbojpeg::{Decompressor, PixelFormat, ScalingFactor};

use super::{Decoded, Format, jpeg::corrupt};
use crate::preprocess::{
    error::ImageError, limits::Limits, orientation::UPRIGHT, rgb::RgbImage, spec::ImageSpec,
};

/// Minimum size of a reduced picture, as a multiple of the encoder's input.
const LEAST_REDUCTION: f64 = 2.5;

/// The reductions for which libjpeg-turbo has vector instructions; the others cost more time than they save.
const DIVISORS: [usize; 3] = [8, 4, 2];

/// Decodes a JPEG at the smallest safe size. `None` if that is its full size, or if the file is not for this decoder (CMYK,
/// or an invalid header, for which the other decoder reports the error).
pub(super) fn decode(
    bytes: &[u8],
    limits: &Limits,
    spec: &ImageSpec,
) -> Result<Option<Decoded>, ImageError> {
    let Ok(mut decompressor) = Decompressor::new() else {
        return Ok(None);
    };
    let Ok(header) = decompressor.read_header(bytes) else {
        return Ok(None);
    };
    use turbojpeg::Colorspace::{Gray, YCbCr};
    if !matches!(header.colorspace, Gray | YCbCr) {
        return Ok(None);
    }
    let side = |side: usize| u32::try_from(side).unwrap_or(u32::MAX);
    limits.check_size(Format::Jpeg, side(header.width), side(header.height))?;
    let input = spec.width.max(spec.height);
    let safe = |divisor: &usize| {
        [header.width, header.height].iter().all(|side| {
            side % divisor == 0 && (side / divisor) as f64 >= LEAST_REDUCTION * input as f64
        })
    };
    let Some(divisor) = DIVISORS.into_iter().find(safe) else {
        return Ok(None);
    };
    let scale = ScalingFactor::new(1, divisor);
    let failed = |e: turbojpeg::Error| corrupt(&e.to_string());
    decompressor.set_scaling_factor(scale).map_err(failed)?;
    let (width, height) = (scale.scale(header.width), scale.scale(header.height));
    let mut image = turbojpeg::Image {
        pixels: vec![0; width * height * 3],
        width,
        pitch: width * 3,
        height,
        format: PixelFormat::RGB,
    };
    // Damage about which libjpeg only warns is an error here, as in the other decoder.
    decompressor
        .decompress(bytes, image.as_deref_mut())
        .map_err(failed)?;
    let image = RgbImage::new(side(width), side(height), image.pixels)
        .ok_or_else(|| corrupt("its size differs from its header"))?;
    let orientation = exif(bytes).and_then(Orientation::from_exif_chunk);
    Ok(Some(Decoded {
        image,
        orientation: orientation.map_or(UPRIGHT, Orientation::to_exif),
        in_low_bits: false,
    }))
}

/// The content of the first EXIF segment.
fn exif(bytes: &[u8]) -> Option<&[u8]> {
    let mut rest = bytes.strip_prefix(&[0xff, 0xd8])?;
    loop {
        let (marker, after) = rest.split_first_chunk::<2>()?;
        let (length, content) = after.split_first_chunk::<2>()?;
        let length = usize::from(u16::from_be_bytes(*length)).checked_sub(2)?;
        let content = content.get(..length)?;
        match marker {
            [0xff, 0xe1] if content.starts_with(b"Exif\0\0") => return content.get(6..),
            // The pixels begin: no segment follows.
            [0xff, 0xda] => return None,
            [0xff, _] => rest = after.get(2 + length..)?,
            _ => return None,
        }
    }
}
