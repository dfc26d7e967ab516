//! JPEG: decoded by zune-jpeg for layouts that it is known to decode correctly, by jpeg-decoder for others, and refused if
//! neither is correct.
//!
//! CMYK and YCCK files are interpreted as Adobe writes them (inverted), as in Pillow: the conversion to RGB, c·k/255
//! rounded, then equals Pillow's.

use image::metadata::Orientation;
use zune_jpeg::{
    JpegDecoder,
    errors::DecodeErrors,
    zune_core::{bytestream::ZCursor, colorspace::ColorSpace, options::DecoderOptions},
};

use super::{
    Decoded, Format,
    jpeg_layout::{Coding, Colour, Layout, corrupt},
    jpeg_unusual,
};
use crate::preprocess::{error::ImageError, limits::Limits, orientation::UPRIGHT, rgb::RgbImage};

/// Maximum number of scans in a file. Each covers the whole picture and may cost the sender only fifty bytes; libjpeg writes
/// ten.
pub(super) const MOST_SCANS: usize = 100;

/// Decodes a JPEG file without turning it.
pub(super) fn decode(bytes: &[u8], limits: &Limits) -> Result<Decoded, ImageError> {
    let layout = Layout::of(bytes).ok_or_else(|| corrupt("its header is not complete"))?;
    let (width, height) = (u32::from(layout.width), u32::from(layout.height));
    limits.check_size(Format::Jpeg, width, height)?;
    let colour = readable(&layout)?;
    let one_scan =
        layout.coding == Coding::Sequential && layout.in_first_scan == layout.components.len();
    if !one_scan && layout.scans(bytes) > MOST_SCANS {
        return Err(unsupported(&format!("more than {MOST_SCANS} scans")));
    }
    let pixels = if layout.usual() {
        usual_pixels(bytes)?
    } else if layout.counts_blocks() {
        jpeg_unusual::pixels(bytes, colour)?
    } else {
        return Err(unsupported(
            "components with different sampling in separate scans",
        ));
    };
    let image = RgbImage::new(width, height, pixels)
        .ok_or_else(|| corrupt("its size differs from its header"))?;
    let orientation = layout.exif.and_then(Orientation::from_exif_chunk);
    Ok(Decoded {
        image,
        orientation: orientation.map_or(UPRIGHT, Orientation::to_exif),
        in_low_bits: false,
    })
}

/// Decodes the pixels of a file with a common layout to RGB. The size has been checked.
pub(super) fn usual_pixels(bytes: &[u8]) -> Result<Vec<u8>, ImageError> {
    // Strict mode: otherwise a truncated file would be decoded with a grey lower part, and this would be scored as the
    // picture. The decoder's own size limits are off, because ours were checked with a better message.
    let options = DecoderOptions::default()
        .set_strict_mode(true)
        .set_max_width(usize::from(u16::MAX))
        .set_max_height(usize::from(u16::MAX))
        .jpeg_set_out_colorspace(ColorSpace::RGB);
    JpegDecoder::new_with_options(ZCursor::new(bytes), options)
        .decode()
        .map_err(refusal)
}

/// The colour model of the file's components, if a decoder here supports it.
pub(super) fn readable(layout: &Layout) -> Result<Colour, ImageError> {
    match layout.coding {
        Coding::Sequential | Coding::Progressive => {}
        Coding::Lossless => return Err(unsupported("lossless coding")),
        Coding::Hierarchical => return Err(unsupported("hierarchical coding")),
        Coding::Arithmetic => return Err(unsupported("arithmetic coding")),
    }
    if layout.precision != 8 {
        return Err(unsupported(&format!("{} bits a sample", layout.precision)));
    }
    let channels = layout.components.len();
    layout
        .colour()
        .ok_or_else(|| unsupported(&format!("{channels} channels")))
}

fn unsupported(what: &str) -> ImageError {
    ImageError::UnsupportedFormat {
        what: format!("this kind of JPEG ({what})"),
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
