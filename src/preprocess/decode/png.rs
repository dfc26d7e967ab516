//! PNG, a row at a time: in memory are the picture, three bytes a pixel, and a row as the file has it.

use std::io::{BufRead, Seek};

use image::metadata::Orientation;
use png::{ColorType, Decoder, DecodingError, InterlaceInfo, Transformations};

use super::{Decoded, Format, WORKING_MEMORY, paced::Paced};
use crate::preprocess::{
    error::ImageError, limits::Limits, orientation::UPRIGHT, rgb::RgbImage, stop::Stop,
};

/// Decodes a PNG file as it is stored; of an animated one the still image. Of 16 bits the high 8 are kept.
pub(super) fn decode(bytes: &[u8], limits: &Limits, stop: &Stop) -> Result<Decoded, ImageError> {
    if let Some((width, height)) = size(bytes) {
        limits.check_size(Format::Png, width, height)?;
    }
    let mut decoder = Decoder::new_with_limits(
        Paced::new(bytes, stop),
        png::Limits {
            // Metadata can be compressed, too.
            bytes: WORKING_MEMORY,
        },
    );
    // Nobody reads them.
    decoder.set_ignore_text_chunk(true);
    decoder.set_ignore_iccp_chunk(true);
    decoder.set_transformations(Transformations::EXPAND | Transformations::STRIP_16);
    let mut reader = decoder.read_info().map_err(refusal)?;
    let (width, height) = (reader.info().width, reader.info().height);
    limits.check_size(Format::Png, width, height)?;
    let exif = reader.info().exif_metadata.as_deref();
    let orientation = exif.and_then(Orientation::from_exif_chunk);
    let pixels = pixels(&mut reader, stop).map_err(refusal)?;
    let image = RgbImage::new(width, height, pixels)
        .ok_or_else(|| corrupt("its size is not what its header says"))?;
    Ok(Decoded {
        image,
        orientation: orientation.map_or(UPRIGHT, Orientation::to_exif),
    })
}

/// Width and height from the first chunk. The decoder takes memory for a row while it opens the file, so this is read before
/// there is a decoder.
fn size(bytes: &[u8]) -> Option<(u32, u32)> {
    let header = bytes.get(12..24)?.strip_prefix(b"IHDR")?;
    let (sides, _) = header.as_chunks::<4>();
    let &[width, height] = sides else { return None };
    Some((u32::from_be_bytes(width), u32::from_be_bytes(height)))
}

fn pixels<R: BufRead + Seek>(
    reader: &mut png::Reader<R>,
    stop: &Stop,
) -> Result<Vec<u8>, DecodingError> {
    let (width, height) = (reader.info().width as usize, reader.info().height as usize);
    let (colour, _) = reader.output_color_type();
    let stride = width * 3;
    let mut pixels = vec![0; stride * height];
    let mut rgb = Vec::with_capacity(stride);
    let mut y = 0;
    // The last row is followed by the check of what is behind it.
    while let Some(row) = reader.next_interlaced_row()? {
        stop.check().map_err(std::io::Error::other)?;
        match row.interlace() {
            InterlaceInfo::Null(_) => {
                if let Some(to) = pixels.get_mut(y * stride..(y + 1) * stride) {
                    to_rgb(colour, row.data(), to);
                }
                y += 1;
            }
            InterlaceInfo::Adam7(place) => {
                rgb.resize(row.data().len() / colour.samples() * 3, 0);
                to_rgb(colour, row.data(), &mut rgb);
                png::expand_interlaced_row(&mut pixels, stride, &rgb, place, 24);
            }
        }
    }
    Ok(pixels)
}

/// Converts as many pixels as there is room for. Palettes and small depths have been expanded.
fn to_rgb(colour: ColorType, row: &[u8], rgb: &mut [u8]) {
    let (rgb, _) = rgb.as_chunks_mut::<3>();
    let pixels = rgb.iter_mut().zip(row.chunks_exact(colour.samples()));
    match colour {
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
