//! A map as a PNG of the size of the posted picture, written in bands of rows.

use std::io::Write;

use super::error::InspectionError;
use super::layer_map::LayerMap;
use super::map::{AnomalyMap, MOST_PIXELS};
use super::picture::{self, LARGEST_VALUE, LAST_COLOUR, TRANSPARENCY};
use super::text_map::TextMap;

/// About the pixels of a band.
const BAND: usize = 1 << 16;

/// A map whose rows are made when they are needed: no map of a large picture is in memory as a whole.
pub trait Bands {
    /// Width and height of the posted picture.
    fn size(&self) -> (usize, usize);

    /// The map of some rows of the posted picture.
    ///
    /// # Errors
    /// [`InspectionError::Length`] without rows, [`InspectionError::TooMany`].
    fn band(&self, first: usize, rows: usize) -> Result<AnomalyMap, InspectionError>;
}

impl Bands for TextMap {
    fn size(&self) -> (usize, usize) {
        self.size()
    }

    fn band(&self, first: usize, rows: usize) -> Result<AnomalyMap, InspectionError> {
        self.band(first, rows)
    }
}

impl Bands for LayerMap {
    fn size(&self) -> (usize, usize) {
        self.size()
    }

    fn band(&self, first: usize, rows: usize) -> Result<AnomalyMap, InspectionError> {
        self.band(first, rows)
    }
}

/// What a PNG of a map holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MapFile<'a> {
    /// Colours where the text stands out, and nothing elsewhere: to be laid over the picture.
    Colours,
    /// 16-bit grey: value · 65535 / [`LARGEST_VALUE`], limited to 0..65535.
    Values,
    /// The picture (8-bit RGB, of the map's size) under the colours.
    Overlay(&'a [u8]),
}

impl MapFile<'_> {
    /// Bytes a pixel before they are compressed.
    #[must_use]
    pub fn bytes_a_pixel(self) -> usize {
        match self {
            Self::Colours => 1,
            Self::Values => 2,
            Self::Overlay(_) => 3,
        }
    }
}

/// Writes a map.
///
/// # Errors
/// [`InspectionError::TooMany`] for more than [`MOST_PIXELS`] pixels, [`InspectionError::Length`] for a picture of another
/// size.
pub fn write(map: &impl Bands, file: MapFile<'_>) -> Result<Vec<u8>, InspectionError> {
    let (width, height) = map.size();
    let pixels = width.saturating_mul(height);
    if pixels > MOST_PIXELS {
        return Err(InspectionError::TooMany {
            what: "pixels of a map",
            found: pixels,
            most: MOST_PIXELS,
        });
    }
    if let MapFile::Overlay(rgb) = file
        && rgb.len() != pixels * 3
    {
        return Err(InspectionError::Length {
            what: "the picture under a map",
            expected: pixels * 3,
            found: rgb.len(),
        });
    }
    let failed = |error: png::EncodingError| InspectionError::Png(error.to_string());
    let mut bytes = Vec::new();
    // A map's sides are bounded by its pixels.
    let mut encoder = png::Encoder::new(&mut bytes, width as u32, height as u32);
    encoder.set_compression(png::Compression::Fast);
    match file {
        MapFile::Colours => {
            let (palette, transparency) = palette();
            encoder.set_color(png::ColorType::Indexed);
            encoder.set_palette(palette);
            encoder.set_trns(transparency);
        }
        MapFile::Values => {
            encoder.set_color(png::ColorType::Grayscale);
            encoder.set_depth(png::BitDepth::Sixteen);
        }
        MapFile::Overlay(_) => encoder.set_color(png::ColorType::Rgb),
    }
    let mut writer = encoder.write_header().map_err(failed)?;
    let mut stream = writer.stream_writer_with_size(BAND).map_err(failed)?;
    let rows = (BAND / width.max(1)).max(1);
    let mut line = Vec::new();
    for first in (0..height).step_by(rows) {
        let rows = rows.min(height - first);
        let band = map.band(first, rows)?;
        line.clear();
        match file {
            MapFile::Colours => line.extend(band.values().iter().map(|value| index(*value))),
            MapFile::Values => line.extend(band.values().iter().flat_map(grey)),
            MapFile::Overlay(rgb) => {
                line.extend_from_slice(&rgb[first * width * 3..][..rows * width * 3]);
                for (pixel, value) in line.chunks_exact_mut(3).zip(band.values()) {
                    picture::lay_over(pixel, *value);
                }
            }
        }
        let written = stream.write_all(&line);
        written.map_err(|error| InspectionError::Png(error.to_string()))?;
    }
    stream.finish().map_err(failed)?;
    writer.finish().map_err(failed)?;
    Ok(bytes)
}

/// Colours of the palette besides the first one, which is transparent.
const STEPS: f32 = 254.0;

/// Where a value lies in the palette.
fn index(value: f32) -> u8 {
    if value < 1.0 {
        return 0;
    }
    let share = ((value - 1.0) / (LAST_COLOUR - 1.0)).min(1.0);
    1 + (share * STEPS).round() as u8
}

/// Red, green and blue of each entry, and how much each covers.
fn palette() -> (Vec<u8>, Vec<u8>) {
    let value = |step: u8| 1.0 + f32::from(step) * (LAST_COLOUR - 1.0) / STEPS;
    let colours = (0..=254).filter_map(|step| picture::colour(value(step)));
    let covers = ((1.0 - TRANSPARENCY) * 255.0).round() as u8;
    (
        std::iter::once([0; 3]).chain(colours).flatten().collect(),
        std::iter::once(0).chain([covers; 255]).collect(),
    )
}

fn grey(value: &f32) -> [u8; 2] {
    ((value / LARGEST_VALUE * 65535.0).round() as u16).to_be_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::inspection::Transform;
    use crate::inspection::text_map::{Placed, Places};

    /// A map of two patches, the first with the value 6, the second with -6.
    fn map(width: usize, height: usize) -> TextMap {
        let patches = Places {
            vectors: &[1.0, 0.0, 0.0, 1.0],
            rows: 1,
            columns: 2,
        };
        let placed = Placed {
            posted: (width, height),
            input: (64, 64),
            to_input: Transform::resize((width, height), (64, 64)),
        };
        TextMap::of_patches(patches, &[1.0, 0.0], &[0.0, 1.0], 6.0, placed).expect("it fits")
    }

    fn read(file: &[u8], expand: bool) -> (png::OutputInfo, Vec<u8>) {
        let mut decoder = png::Decoder::new(std::io::Cursor::new(file));
        if expand {
            decoder.set_transformations(png::Transformations::EXPAND);
        }
        let mut reader = decoder.read_info().expect("it is a PNG");
        let mut pixels = vec![0; reader.output_buffer_size().expect("small")];
        let info = reader.next_frame(&mut pixels).expect("whole");
        (info, pixels)
    }

    #[test]
    fn every_file_has_the_pixels_of_the_whole_map() {
        // Several bands, the last one smaller.
        let (width, height) = (1000, 150);
        let map = map(width, height);
        let whole = map.band(0, height).expect("small");
        let grey_picture = vec![100; width * height * 3];

        let (info, pixels) = read(&write(&map, MapFile::Values).unwrap(), false);
        assert_eq!((info.width, info.height), (1000, 150));
        for (pair, value) in pixels.chunks_exact(2).zip(whole.values()) {
            let found = f32::from(u16::from_be_bytes([pair[0], pair[1]])) * 8.0 / 65535.0;
            assert!((found - value.max(0.0)).abs() < 1e-3, "{found} {value}");
        }

        let overlay = write(&map, MapFile::Overlay(&grey_picture)).unwrap();
        let expected = picture::overlay(&whole, &grey_picture).unwrap();
        assert_eq!(read(&overlay, false).1, read(&expected, false).1);

        let (info, pixels) = read(&write(&map, MapFile::Colours).unwrap(), true);
        assert_eq!(info.color_type, png::ColorType::Rgba);
        let over = read(&overlay, false).1;
        for ((pixel, over), value) in pixels
            .chunks_exact(4)
            .zip(over.chunks_exact(3))
            .zip(whole.values())
        {
            assert_eq!(pixel[3] == 0, *value < 1.0);
            // Laid over the picture, the colours are those of the overlay, but for the steps of the palette.
            let share = f32::from(pixel[3]) / 255.0;
            for channel in 0..3 {
                let laid = f32::from(pixel[channel]) * share + 100.0 * (1.0 - share);
                assert!((laid - f32::from(over[channel])).abs() < 3.0);
            }
        }
    }

    #[test]
    fn what_cannot_be_written_is_refused() {
        let error = write(&map(4, 4), MapFile::Overlay(&[0; 3]));
        assert!(matches!(error, Err(InspectionError::Length { .. })));
        let error = write(&map(1 << 14, 1 << 14), MapFile::Colours);
        assert!(matches!(error, Err(InspectionError::TooMany { .. })));
    }
}
