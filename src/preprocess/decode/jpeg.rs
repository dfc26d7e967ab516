//! JPEG: through zune-jpeg where that is known to be right, through jpeg-decoder for other layouts, and refused where
//! neither is.
//!
//! CMYK and YCCK files are taken as Adobe writes them (inverted), as Pillow does: the decoder's conversion to RGB,
//! c·k/255 rounded, then equals Pillow's.

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

/// Most scans of one file. Each goes over all of the picture and can cost the sender fifty bytes; libjpeg writes ten.
pub(super) const MOST_SCANS: usize = 100;

/// Decodes a JPEG file as it is stored.
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
            "components of different sampling in scans of their own",
        ));
    };
    let image = RgbImage::new(width, height, pixels)
        .ok_or_else(|| corrupt("its size is not what its header says"))?;
    let orientation = layout.exif.and_then(Orientation::from_exif_chunk);
    Ok(Decoded {
        image,
        orientation: orientation.map_or(UPRIGHT, Orientation::to_exif),
        in_low_bits: false,
    })
}

/// Decodes the pixels of a file of a usual layout to RGB. The size has been checked.
pub(super) fn usual_pixels(bytes: &[u8]) -> Result<Vec<u8>, ImageError> {
    // Strict: without it a file that is cut off comes back with its lower part grey, and is scored as if that were
    // the picture. The decoder's own size limits are lifted, since ours were checked with a better message.
    let options = DecoderOptions::default()
        .set_strict_mode(true)
        .set_max_width(usize::from(u16::MAX))
        .set_max_height(usize::from(u16::MAX))
        .jpeg_set_out_colorspace(ColorSpace::RGB);
    JpegDecoder::new_with_options(ZCursor::new(bytes), options)
        .decode()
        .map_err(refusal)
}

/// What the file's components stand for, if it is of a kind that a decoder here reads.
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
