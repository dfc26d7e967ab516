//! JPEG, through zune-jpeg; layouts that it is not trusted with through jpeg-decoder.
//!
//! CMYK and YCCK files are taken as Adobe writes them (inverted), as Pillow does: the decoder's conversion to RGB,
//! c·k/255 rounded, then equals Pillow's.

use image::metadata::Orientation;
use zune_jpeg::{
    JpegDecoder,
    errors::DecodeErrors,
    zune_core::{bytestream::ZCursor, colorspace::ColorSpace, options::DecoderOptions},
};

use super::jpeg_layout::{self, Trust};
use super::{Decoded, Format};
use crate::preprocess::{error::ImageError, limits::Limits, orientation::UPRIGHT, rgb::RgbImage};

/// Decodes a JPEG file as it is stored.
pub(super) fn decode(bytes: &[u8], limits: &Limits) -> Result<Decoded, ImageError> {
    let trust = jpeg_layout::judge(bytes)?;
    // Strict: without it a file that is cut off comes back with its lower part grey, and is scored as if that were
    // the picture. The decoder's own size limits are lifted, since ours are checked below with a better message.
    let options = DecoderOptions::default()
        .set_strict_mode(true)
        .set_max_width(usize::from(u16::MAX))
        .set_max_height(usize::from(u16::MAX))
        .jpeg_set_out_colorspace(ColorSpace::RGB);
    let mut decoder = JpegDecoder::new_with_options(ZCursor::new(bytes), options);
    decoder.decode_headers().map_err(refusal)?;
    let info = decoder.info().ok_or_else(|| corrupt("it has no header"))?;
    let (width, height) = (u32::from(info.width), u32::from(info.height));
    limits.check_size(Format::Jpeg, width, height)?;
    if !matches!(info.components, 1 | 3 | 4) {
        return Err(ImageError::UnsupportedFormat {
            what: format!("a JPEG with {} channels", info.components),
        });
    }
    let pixels = match trust {
        Trust::Fast => decoder.decode().map_err(refusal)?,
        Trust::Second { jfif_colour } => second(bytes, width, height, jfif_colour)?,
    };
    let image = RgbImage::new(width, height, pixels)
        .ok_or_else(|| corrupt("its size is not what its header says"))?;
    let orientation = info
        .exif_data
        .as_deref()
        .and_then(Orientation::from_exif_chunk);
    Ok(Decoded {
        image,
        orientation: orientation.map_or(UPRIGHT, Orientation::to_exif),
    })
}

/// Decodes with the second decoder, which is slower and knows more layouts. RGB, or grey made RGB.
fn second(bytes: &[u8], width: u32, height: u32, jfif_colour: bool) -> Result<Vec<u8>, ImageError> {
    let broken = |error: jpeg_decoder::Error| match error {
        jpeg_decoder::Error::Unsupported(feature) => ImageError::UnsupportedFormat {
            what: format!("this kind of JPEG ({feature:?})"),
        },
        other => corrupt(&other.to_string()),
    };
    let mut decoder = jpeg_decoder::Decoder::new(bytes);
    // Four bytes a pixel is more than any of its results has; the size is within the limits.
    decoder.set_max_decoding_buffer_size(4 * width as usize * height as usize);
    if jfif_colour {
        decoder.set_color_transform(jpeg_decoder::ColorTransform::YCbCr);
    }
    let pixels = decoder.decode().map_err(broken)?;
    let info = decoder.info().ok_or_else(|| corrupt("it has no header"))?;
    if (u32::from(info.width), u32::from(info.height)) != (width, height) {
        return Err(corrupt("its headers contradict each other"));
    }
    match info.pixel_format {
        jpeg_decoder::PixelFormat::RGB24 => Ok(pixels),
        jpeg_decoder::PixelFormat::L8 => Ok(pixels.iter().flat_map(|grey| [*grey; 3]).collect()),
        other => Err(ImageError::UnsupportedFormat {
            what: format!("this kind of JPEG ({other:?})"),
        }),
    }
}

fn refusal(error: DecodeErrors) -> ImageError {
    match error {
        DecodeErrors::Unsupported(scheme) => ImageError::UnsupportedFormat {
            what: format!("this kind of JPEG ({scheme:?})"),
        },
        DecodeErrors::ZeroError => corrupt("its header says 0 pixels"),
        other => corrupt(&other.to_string()),
    }
}

pub(super) fn corrupt(reason: &str) -> ImageError {
    ImageError::Corrupt {
        format: Format::Jpeg,
        reason: reason.trim().to_owned(),
    }
}
