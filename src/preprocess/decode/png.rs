//! PNG, decoded row by row: in memory are the picture, three bytes per pixel, and one row of the file.

use std::io::{BufRead, ErrorKind, Seek};

use image::metadata::Orientation;
use png::{BitDepth, ColorType, Decoder, DecodingError, Info, InterlaceInfo, Transformations};

use super::{
    Decoded, Format, Reading, WORKING_MEMORY, alpha::on_ground, paced::Paced,
    sixteen_bits::SixteenBits,
};
use crate::preprocess::{
    Alpha, ValueBits, error::ImageError, limits::Limits, orientation::UPRIGHT, rgb::RgbImage,
    stop::Stop,
};

/// Decodes a PNG file without turning it; of an animated one the still image.
///
/// The high 8 of 16 bits are used, unless `reading` says that values are in the low bits. If it says nothing, an `sBIT`
/// chunk is used. By the specification its significant bits are the high ones, but cameras write it for the low ones. The
/// values show which applies, and then the file is decoded again.
pub(super) fn decode(
    bytes: &[u8],
    limits: &Limits,
    reading: Reading,
    stop: &Stop,
) -> Result<Decoded, ImageError> {
    if let Some((width, height)) = size(bytes) {
        limits.check_size(Format::Png, width, height)?;
    }
    let refuse = |error| stop.check().err().unwrap_or_else(|| refusal(error));
    let mut reader = open(bytes, stop).map_err(refuse)?;
    let info = reader.info();
    let (width, height) = (info.width, info.height);
    limits.check_size(Format::Png, width, height)?;
    let exif = info.exif_metadata.as_deref();
    let orientation = exif.and_then(Orientation::from_exif_chunk);
    let significant = significant_bits(info).filter(|_| reading.value_bits.is_none());
    let mut values = SixteenBits::new(reading.value_bits);
    let mut read = pixels(&mut reader, &mut values, reading.alpha, stop).map_err(refuse)?;
    if let Some(bits) = significant.filter(|bits| values.must_be_low(*bits)) {
        let mut reader = open(bytes, stop).map_err(refuse)?;
        values = SixteenBits::new(ValueBits::new(bits.max(8).into()));
        read = pixels(&mut reader, &mut values, reading.alpha, stop).map_err(refuse)?;
    }
    let image = RgbImage::new(width, height, read)
        .ok_or_else(|| corrupt("its size differs from its header"))?;
    Ok(Decoded {
        image,
        orientation: orientation.map_or(UPRIGHT, Orientation::to_exif),
        in_low_bits: values.in_low_bits(),
    })
}

fn open<'a>(bytes: &'a [u8], stop: &'a Stop) -> Result<png::Reader<Paced<'a>>, DecodingError> {
    let mut decoder = Decoder::new_with_limits(
        Paced::new(bytes, stop),
        png::Limits {
            // Metadata can be compressed too.
            bytes: WORKING_MEMORY,
        },
    );
    // They are not used.
    decoder.set_ignore_text_chunk(true);
    decoder.set_ignore_iccp_chunk(true);
    decoder.set_transformations(Transformations::EXPAND);
    decoder.read_info()
}

/// Number of used bits of a 16-bit colour sample by the `sBIT` chunk, if it is less than 16.
fn significant_bits(info: &Info<'_>) -> Option<u8> {
    let of_samples = info
        .sbit
        .as_deref()
        .filter(|_| info.bit_depth == BitDepth::Sixteen)?;
    let most = of_samples.iter().take(colours(info.color_type)).max();
    most.copied().filter(|bits| (1..16).contains(bits))
}

/// Samples per pixel without transparency.
fn colours(colour: ColorType) -> usize {
    match colour {
        ColorType::Rgb | ColorType::Rgba => 3,
        ColorType::Grayscale | ColorType::GrayscaleAlpha | ColorType::Indexed => 1,
    }
}

/// Width and height from the first chunk. The decoder allocates a row when it opens the file, so this is read before the
/// decoder is created.
fn size(bytes: &[u8]) -> Option<(u32, u32)> {
    let header = bytes.get(12..24)?.strip_prefix(b"IHDR")?;
    let (sides, _) = header.as_chunks::<4>();
    let &[width, height] = sides else { return None };
    Some((u32::from_be_bytes(width), u32::from_be_bytes(height)))
}

fn pixels<R: BufRead + Seek>(
    reader: &mut png::Reader<R>,
    values: &mut SixteenBits,
    alpha: Alpha,
    stop: &Stop,
) -> Result<Vec<u8>, DecodingError> {
    let (width, height) = (reader.info().width as usize, reader.info().height as usize);
    let (colour, depth) = reader.output_color_type();
    let of_pixel = (colour.samples(), colours(colour));
    let rows = rows(width, height, reader.info().interlaced);
    let stride = width * 3;
    let mut pixels = vec![0; stride * height];
    let mut rgb = Vec::with_capacity(stride);
    let mut narrow = Vec::new();
    let mut y = 0;
    loop {
        let row = match reader.next_interlaced_row() {
            Ok(Some(row)) => row,
            // After the last row the decoder checks the rest of the file, which may be missing: it is not part of the
            // picture.
            Err(DecodingError::IoError(error))
                if y == rows && error.kind() == ErrorKind::UnexpectedEof =>
            {
                break;
            }
            Ok(None) => break,
            Err(error) => return Err(error),
        };
        stop.check().map_err(std::io::Error::other)?;
        let samples = if depth == BitDepth::Sixteen {
            let (pairs, _) = row.data().as_chunks::<2>();
            let pairs = pairs.iter().map(|pair| u16::from_be_bytes(*pair));
            narrow.resize(row.data().len() / 2, 0);
            values.narrow(pairs, of_pixel, &mut narrow);
            &narrow
        } else {
            row.data()
        };
        match row.interlace() {
            InterlaceInfo::Null(_) => {
                if let Some(to) = pixels.get_mut(y * stride..(y + 1) * stride) {
                    to_rgb(colour, samples, alpha, to);
                }
            }
            InterlaceInfo::Adam7(place) => {
                rgb.resize(samples.len() / colour.samples() * 3, 0);
                to_rgb(colour, samples, alpha, &mut rgb);
                png::expand_interlaced_row(&mut pixels, stride, &rgb, place, 24);
            }
        }
        y += 1;
    }
    Ok(pixels)
}

/// Number of stored rows: for an interlaced file those of its seven passes, as far as they have any column.
fn rows(width: usize, height: usize, interlaced: bool) -> usize {
    if !interlaced {
        return height;
    }
    // The first column and row of each pass, and the step to its next row.
    let smaller = [
        (0, 0, 8),
        (4, 0, 8),
        (0, 4, 8),
        (2, 0, 4),
        (0, 2, 4),
        (1, 0, 2),
        (0, 1, 2),
    ];
    let rows = smaller
        .iter()
        .map(|&(left, top, down): &(usize, usize, usize)| {
            if width > left {
                height.saturating_sub(top).div_ceil(down)
            } else {
                0
            }
        });
    rows.sum()
}

/// Converts as many pixels as fit. Palettes and small depths have been expanded.
fn to_rgb(colour: ColorType, row: &[u8], alpha: Alpha, rgb: &mut [u8]) {
    let (rgb, _) = rgb.as_chunks_mut::<3>();
    let pixels = rgb.iter_mut().zip(row.chunks_exact(colour.samples()));
    match colour {
        ColorType::Rgba if alpha != Alpha::Drop => {
            pixels.for_each(|(to, from)| {
                *to = on_ground([from[0], from[1], from[2]], from[3], alpha);
            });
        }
        ColorType::GrayscaleAlpha if alpha != Alpha::Drop => {
            pixels.for_each(|(to, from)| *to = on_ground([from[0]; 3], from[1], alpha));
        }
        ColorType::Rgb | ColorType::Rgba => {
            pixels.for_each(|(to, from)| *to = [from[0], from[1], from[2]]);
        }
        ColorType::Grayscale | ColorType::GrayscaleAlpha | ColorType::Indexed => {
            pixels.for_each(|(to, from)| *to = [from[0]; 3]);
        }
    }
}

fn refusal(error: DecodingError) -> ImageError {
    corrupt(&error.to_string())
}

fn corrupt(reason: &str) -> ImageError {
    ImageError::Corrupt {
        format: Format::Png,
        reason: reason.to_owned(),
    }
}
