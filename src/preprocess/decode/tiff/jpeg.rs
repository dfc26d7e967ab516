//! JPEG inside TIFF (Adobe's technical note 2): each strip or tile is a JPEG file, whose tables may be in the directory.
//!
//! The TIFF determines the meaning of the samples, not the JPEG's own segments. The decoders and the rules for choosing them
//! are those of JPEG files. The header is read before a decoder is created, because it can declare any size.

use super::refusals::corrupt;
use super::{colours::Meaning, layout::Layout};
use crate::preprocess::{
    decode::{
        jpeg::{self, MOST_SCANS},
        jpeg_layout::{Coding, Colour, Layout as JpegLayout},
        jpeg_unusual,
    },
    error::ImageError,
};

/// Decodes a strip or tile of which `rows` rows are in the picture: samples of one byte each, YCbCr converted to RGB, others
/// unchanged.
pub(super) fn samples(
    layout: &Layout<'_>,
    packed: &[u8],
    rows: usize,
) -> Result<Vec<u8>, ImageError> {
    let file = with_tables(layout.jpeg_tables, packed)?;
    let header = JpegLayout::of(&file)
        .ok_or_else(|| corrupt("the header of a JPEG strip is not complete"))?;
    let (width, height) = (usize::from(header.width), usize::from(header.height));
    let chunks = &layout.chunks;
    // The last strip has either the remaining rows or padding, depending on the writer.
    if width != chunks.width || !(rows..=chunks.height).contains(&height) {
        let (wide, high) = (chunks.width, chunks.height);
        return Err(corrupt(&format!(
            "a JPEG of {width}x{height} pixels in a strip or tile of {wide}x{high}"
        )));
    }
    if header.components.len() != chunks.samples {
        return Err(corrupt("a JPEG strip has another number of channels"));
    }
    let its_own = jpeg::readable(&header).map_err(in_tiff)?;
    let colour = match (chunks.samples, &layout.colours.meaning) {
        (1, _) => Colour::Grey,
        (3, Meaning::YCbCr) => Colour::YCbCr,
        (3, _) => Colour::Rgb,
        (4, _) => Colour::Cmyk,
        _ => return Err(super::refusals::unsupported("these channels in JPEG")),
    };
    let one_scan =
        header.coding == Coding::Sequential && header.in_first_scan == header.components.len();
    if !one_scan && header.scans(&file) > MOST_SCANS {
        return Err(super::refusals::unsupported(&format!(
            "more than {MOST_SCANS} scans in a strip"
        )));
    }
    let quick = matches!(colour, Colour::Rgb | Colour::YCbCr) && its_own == colour;
    let samples = if quick && header.usual() {
        jpeg::usual_pixels(&file)
    } else if header.counts_blocks() {
        jpeg_unusual::samples(&file, colour)
    } else {
        return Err(super::refusals::unsupported("this sampling in JPEG"));
    };
    let samples = samples.map_err(in_tiff)?;
    if samples.len() != width * height * chunks.samples {
        return Err(corrupt("the size of a JPEG strip differs from its header"));
    }
    Ok(samples)
}

/// The strip's JPEG with the directory's tables before its own segments.
fn with_tables(tables: &[u8], packed: &[u8]) -> Result<Vec<u8>, ImageError> {
    let rest = packed
        .strip_prefix(b"\xff\xd8")
        .ok_or_else(|| corrupt("a JPEG strip does not begin with a JPEG marker"))?;
    let tables = tables.strip_suffix(b"\xff\xd9").unwrap_or(tables);
    let begin = if tables.is_empty() {
        &b"\xff\xd8"[..]
    } else if tables.starts_with(b"\xff\xd8") {
        tables
    } else {
        return Err(corrupt("its JPEG tables do not begin with a JPEG marker"));
    };
    Ok([begin, rest].concat())
}

/// Converts a JPEG decoder's error to one about the TIFF file.
fn in_tiff(error: ImageError) -> ImageError {
    match error {
        ImageError::Corrupt { reason, .. } => corrupt(&format!("JPEG: {reason}")),
        other => other,
    }
}
