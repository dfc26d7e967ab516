//! TIFF 6.0 and BigTIFF, the first page: a reader on top of decompression libraries (flate2, weezl, fax, zune-jpeg).
//!
//! | | read | refused as unsupported |
//! |---|---|---|
//! | colours | grey of 1, 2, 4, 8, 12 and 16 bits, either end white; palette of 1 to 8; RGB and CMYK of 8 and 16; YCbCr in JPEG | YCbCr otherwise, L\*a\*b\*, masks |
//! | samples | unsigned; together or in planes; up to four more channels | signed, floating-point, 32 bits, channels of different depth |
//! | packing | none, PackBits, LZW (old, too), Deflate, group 4 fax, JPEG; the horizontal predictor | groups 2 and 3, JPEG of the old kind, LZMA, Zstandard, WebP, the floating-point predictor |
//! | layout | strips, tiles; both byte orders; both orders of bits; orientation | over 262,144 strips |
//!
//! Differences from Pillow: of 12 and 16 bits the high 8 are used, where Pillow clips grey ones at 255; 16-bit grey with
//! white as zero is inverted.
//!
//! The directory is read and checked against the file first (`layout`). Then each strip is decompressed row by row, and each
//! row is converted to RGB at once. In memory are the picture (three bytes per pixel) and one row; for JPEG, one strip.

mod channels;
mod chunks;
mod colours;
mod compression;
mod directory;
mod jpeg;
mod layout;
mod packed;
mod refusals;
mod tag;

use std::io::Read;

use self::layout::Layout;
use self::refusals::corrupt;
use super::{Decoded, Reading, sixteen_bits::SixteenBits};
use crate::preprocess::{error::ImageError, limits::Limits, rgb::RgbImage, stop::Stop};

/// Decodes a TIFF file without turning it.
pub(super) fn decode(
    bytes: &[u8],
    limits: &Limits,
    reading: Reading,
    stop: &Stop,
) -> Result<Decoded, ImageError> {
    let layout = Layout::of(bytes, limits, reading.alpha)?;
    let mut picture = Picture {
        pixels: vec![0; layout.width * layout.height * 3],
        width: layout.width,
        values: SixteenBits::new(reading.value_bits),
    };
    for row in 0..layout.chunks.down {
        for column in 0..layout.chunks.across {
            stop.check()?;
            read_chunk(bytes, &layout, (column, row), &mut picture, stop)?;
        }
    }
    let in_low_bits = picture.values.in_low_bits();
    let side = |side: usize| u32::try_from(side).unwrap_or(u32::MAX);
    let image = RgbImage::new(side(layout.width), side(layout.height), picture.pixels)
        .ok_or_else(|| corrupt("its size differs from its directory"))?;
    Ok(Decoded {
        image,
        orientation: layout.orientation,
        in_low_bits,
    })
}

/// The picture while it is decoded.
struct Picture {
    pixels: Vec<u8>,
    width: usize,
    values: SixteenBits,
}

/// Number of decompressed bytes between two checks of [`Stop`].
const BETWEEN_CHECKS: usize = 64 << 10;

/// Decompresses the strip or tile at a place of the grid, in all planes, into the picture.
fn read_chunk(
    bytes: &[u8],
    layout: &Layout<'_>,
    (column, row): (usize, usize),
    picture: &mut Picture,
    stop: &Stop,
) -> Result<(), ImageError> {
    let chunks = &layout.chunks;
    let (left, top) = (column * chunks.width, row * chunks.height);
    let rows = chunks.height.min(layout.height - top);
    let columns = chunks.width.min(layout.width - left);
    let needed = layout.colours.needed();
    let mut planes = Vec::new();
    // Planes after the colours are ignored.
    for plane in 0..chunks.planes.min(needed) {
        let packed = bytes.get(chunks.place(plane, row, column));
        planes.push(packed::open(layout, packed.unwrap_or_default(), rows)?);
    }
    let of_pixel = chunks.samples * planes.len();
    let mut stored = vec![0; chunks.row_bytes];
    let mut plane_samples = vec![0; columns * chunks.samples];
    let mut samples = vec![0; columns * of_pixel];
    let mut unchecked = 0;
    for y in top..top + rows {
        unchecked += stored.len();
        if unchecked > BETWEEN_CHECKS {
            stop.check()?;
            unchecked = 0;
        }
        for (plane, source) in planes.iter_mut().enumerate() {
            source.read_exact(&mut stored).map_err(|error| {
                corrupt(&format!("a strip or tile cannot be decompressed: {error}"))
            })?;
            if layout.differences {
                colours::add_up(&mut stored, layout.bits, layout.little, chunks.samples);
            }
            let indexed = layout.colours.indexed();
            let to = if chunks.planes == 1 {
                &mut samples
            } else {
                &mut plane_samples
            };
            let count = layout.colours.count();
            let sorted = match chunks.planes {
                1 => (chunks.samples, count),
                _ => (1, usize::from(plane < count)),
            };
            let sort = (layout.bits, layout.little);
            let values = (&mut picture.values, sorted);
            colours::to_bytes(&stored, sort, indexed, values, to);
            if chunks.planes > 1 {
                let places = samples.iter_mut().skip(plane).step_by(of_pixel);
                places
                    .zip(&plane_samples)
                    .for_each(|(to, from)| *to = *from);
            }
        }
        let start = (y * picture.width + left) * 3;
        if let Some(rgb) = picture.pixels.get_mut(start..start + columns * 3) {
            layout.colours.to_rgb(&samples, of_pixel, rgb);
        }
    }
    Ok(())
}
