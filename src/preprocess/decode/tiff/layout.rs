//! Reads the layout of the pixels from a TIFF file's directory, and checks that the file can contain them. All of this
//! happens before a pixel is decoded, and takes no more memory than the file's list of strips.

use super::{
    colours::{Colours, Meaning},
    directory::Directory,
    refusals::{corrupt, unsupported},
};
use crate::preprocess::{
    Alpha, decode::Format, error::ImageError, limits::Limits, orientation::UPRIGHT,
};

/// Maximum number of strips or tiles: tiles of 16 by 16 for 67 megapixels.
const MOST_CHUNKS: usize = 1 << 18;

/// Maximum side of a tile, in pixels: one row of it is in memory.
const MOST_TILE_SIDE: u64 = 1 << 16;

/// Maximum number of channels besides colour.
const MOST_EXTRA: usize = 4;

/// Maximum size of JPEG tables in bytes: four tables of each kind take 2.3 KB. They are read again for each strip.
const MOST_TABLES: usize = 16 << 10;

mod tag {
    pub(super) const WIDTH: u16 = 256;
    pub(super) const HEIGHT: u16 = 257;
    pub(super) const BITS: u16 = 258;
    pub(super) const COMPRESSION: u16 = 259;
    pub(super) const PHOTOMETRIC: u16 = 262;
    pub(super) const FILL_ORDER: u16 = 266;
    pub(super) const STRIP_OFFSETS: u16 = 273;
    pub(super) const ORIENTATION: u16 = 274;
    pub(super) const SAMPLES: u16 = 277;
    pub(super) const ROWS_PER_STRIP: u16 = 278;
    pub(super) const STRIP_BYTES: u16 = 279;
    pub(super) const PLANAR: u16 = 284;
    pub(super) const PREDICTOR: u16 = 317;
    pub(super) const COLOUR_MAP: u16 = 320;
    pub(super) const TILE_WIDTH: u16 = 322;
    pub(super) const TILE_HEIGHT: u16 = 323;
    pub(super) const TILE_OFFSETS: u16 = 324;
    pub(super) const TILE_BYTES: u16 = 325;
    pub(super) const EXTRA_SAMPLES: u16 = 338;
    pub(super) const SAMPLE_FORMAT: u16 = 339;
    pub(super) const JPEG_TABLES: u16 = 347;
}

/// The compression of strips.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Compression {
    None,
    PackBits,
    Lzw,
    Deflate,
    /// CCITT's group 4: rows of black and white.
    Fax4,
    Jpeg,
}

/// The storage of a file's pixels.
pub(super) struct Layout<'a> {
    /// Size in pixels, as stored, before orientation.
    pub(super) width: usize,
    pub(super) height: usize,
    pub(super) orientation: u8,
    /// Bits per sample: 1, 2, 4, 8, 12 or 16.
    pub(super) bits: usize,
    /// Whether 16-bit samples are little-endian.
    pub(super) little: bool,
    /// Whether the first pixel of a byte is in its low bits.
    pub(super) reversed: bool,
    pub(super) colours: Colours,
    pub(super) compression: Compression,
    pub(super) differences: bool,
    /// Strips or tiles.
    pub(super) chunks: Chunks,
    pub(super) jpeg_tables: &'a [u8],
}

/// The rectangles into which the picture is divided and which are stored separately; strips are as wide as the picture.
pub(super) struct Chunks {
    /// Size of a rectangle, in pixels.
    pub(super) width: usize,
    pub(super) height: usize,
    /// Number of rectangles in one plane.
    pub(super) across: usize,
    pub(super) down: usize,
    /// Number of planes: 1 if the samples of a pixel are stored together.
    pub(super) planes: usize,
    /// Samples per pixel in one plane.
    pub(super) samples: usize,
    /// Bytes of an uncompressed row.
    pub(super) row_bytes: usize,
    /// The place of each in the file: plane by plane, row by row.
    places: Vec<std::ops::Range<usize>>,
}

impl Chunks {
    /// The place of a strip or tile in the file.
    pub(super) fn place(&self, plane: usize, row: usize, column: usize) -> std::ops::Range<usize> {
        let index = (plane * self.down + row) * self.across + column;
        self.places.get(index).cloned().unwrap_or(0..0)
    }
}

impl<'a> Layout<'a> {
    /// Reads a file's first directory.
    ///
    /// # Errors
    /// Limits, unsupported kinds of TIFF, and directories that contradict themselves or the file.
    pub(super) fn of(bytes: &'a [u8], limits: &Limits, alpha: Alpha) -> Result<Self, ImageError> {
        let directory = Directory::of(bytes)?;
        let one = |tag, default| Ok::<_, ImageError>(directory.one(tag)?.unwrap_or(default));
        let side = |tag| {
            let side = directory.one(tag)?;
            let side = side.ok_or_else(|| corrupt("its directory names no size"))?;
            Ok::<_, ImageError>(u32::try_from(side).unwrap_or(u32::MAX))
        };
        let (width, height) = (side(tag::WIDTH)?, side(tag::HEIGHT)?);
        limits.check_size(Format::Tiff, width, height)?;
        let (width, height) = (width as usize, height as usize);

        let compression = compression(one(tag::COMPRESSION, 1)?)?;
        let channels = Channels::of(&directory)?;
        let colours = channels.colours(&directory, compression, alpha)?;
        let planes = match one(tag::PLANAR, 1)? {
            1 => 1,
            2 => channels.count,
            other => return Err(corrupt(&format!("planar configuration {other}"))),
        };
        if planes > 1 && matches!(colours.meaning, Meaning::YCbCr) {
            return Err(unsupported("YCbCr in planes"));
        }
        if compression == Compression::Fax4 && (channels.bits, channels.count) != (1, 1) {
            return Err(corrupt(
                "fax compression of a picture that is not black and white",
            ));
        }
        if compression == Compression::Jpeg && channels.bits != 8 {
            let bits = channels.bits;
            return Err(unsupported(&format!("JPEG with {bits} bits a sample")));
        }
        let differences = match (one(tag::PREDICTOR, 1)?, compression) {
            // Only these two have a predictor; for others libtiff ignores the tag.
            (1, _) => false,
            (2, Compression::Lzw | Compression::Deflate) if matches!(channels.bits, 8 | 16) => true,
            (other, Compression::Lzw | Compression::Deflate) => {
                let bits = channels.bits;
                return Err(unsupported(&format!(
                    "predictor {other} with {bits} bits a sample"
                )));
            }
            _ => false,
        };
        let jpeg_tables = directory.raw(tag::JPEG_TABLES)?.unwrap_or_default();
        if jpeg_tables.len() > MOST_TABLES {
            return Err(corrupt("its JPEG tables are too long"));
        }
        let size = (width, height);
        let samples = if planes == 1 { channels.count } else { 1 };
        let chunks = Grid::of(&directory, size)?.chunks(
            &directory,
            bytes,
            compression,
            (planes, samples, channels.bits),
            size,
            limits,
        )?;
        Ok(Self {
            width,
            height,
            orientation: match one(tag::ORIENTATION, 1)? {
                turned @ 1..=8 => turned as u8,
                _ => UPRIGHT,
            },
            bits: channels.bits,
            little: directory.little,
            reversed: one(tag::FILL_ORDER, 1)? == 2,
            colours,
            compression,
            differences,
            chunks,
            jpeg_tables,
        })
    }
}

fn compression(number: u64) -> Result<Compression, ImageError> {
    Ok(match number {
        1 => Compression::None,
        4 => Compression::Fax4,
        5 => Compression::Lzw,
        7 => Compression::Jpeg,
        8 | 32946 => Compression::Deflate,
        32773 => Compression::PackBits,
        2 => return Err(unsupported("CCITT's modified Huffman compression")),
        3 => return Err(unsupported("CCITT's group 3 compression")),
        6 => return Err(unsupported("old-style JPEG, compression 6")),
        34925 => return Err(unsupported("LZMA compression")),
        50000 => return Err(unsupported("Zstandard compression")),
        50001 => return Err(unsupported("WebP compression")),
        other => return Err(unsupported(&format!("compression {other}"))),
    })
}

/// The samples of a pixel.
struct Channels {
    count: usize,
    bits: usize,
    /// The meaning of each sample after the colour.
    extra: Vec<u64>,
}

impl Channels {
    fn of(directory: &Directory<'_>) -> Result<Self, ImageError> {
        let most = 4 + MOST_EXTRA;
        let count = directory.one(tag::SAMPLES)?.unwrap_or(1);
        let count = usize::try_from(count).unwrap_or(usize::MAX);
        if count == 0 {
            return Err(corrupt("no samples per pixel"));
        }
        if count > most {
            return Err(unsupported(&format!("{count} samples a pixel")));
        }
        let list = |tag, default| Ok(directory.numbers(tag, count)?.unwrap_or(vec![default]));
        let equal = |values: &[u64]| values.windows(2).all(|pair| pair[0] == pair[1]);
        let bits: Vec<u64> = list(tag::BITS, 1)?;
        if !equal(&bits) || !(bits.len() == 1 || bits.len() == count) {
            return Err(unsupported("channels of different depths"));
        }
        let formats: Vec<u64> = list(tag::SAMPLE_FORMAT, 1)?;
        match formats.first() {
            Some(1 | 4) if equal(&formats) => {}
            Some(2) => return Err(unsupported("signed samples")),
            Some(3) => return Err(unsupported("floating-point samples")),
            _ => return Err(unsupported("samples that are not integers")),
        }
        let bits = bits.first().copied().unwrap_or(1);
        if !matches!(bits, 1 | 2 | 4 | 8 | 12 | 16) {
            return Err(unsupported(&format!("{bits} bits a sample")));
        }
        Ok(Self {
            count,
            bits: bits as usize,
            extra: directory
                .numbers(tag::EXTRA_SAMPLES, most)?
                .unwrap_or_default(),
        })
    }

    /// The meaning of the samples. The combinations are those that Pillow supports.
    fn colours(
        &self,
        directory: &Directory<'_>,
        compression: Compression,
        alpha: Alpha,
    ) -> Result<Colours, ImageError> {
        let deep = matches!(self.bits, 8 | 16);
        let photometric = directory.one(tag::PHOTOMETRIC)?.unwrap_or(0);
        let (meaning, colours) = match photometric {
            0 => (Meaning::WhiteIsZero, 1),
            1 => (Meaning::BlackIsZero, 1),
            2 if deep => (Meaning::Rgb, 3),
            3 if self.bits <= 8 => (Meaning::Palette(palette(directory, self.bits)?), 1),
            5 if deep => (Meaning::Cmyk, 4),
            6 if self.count == 1 => (Meaning::BlackIsZero, 1),
            6 if compression == Compression::Jpeg => (Meaning::YCbCr, 3),
            6 => return Err(unsupported("YCbCr without JPEG")),
            2 | 3 | 5 => {
                let bits = self.bits;
                return Err(unsupported(&format!("{bits} bits per colour sample")));
            }
            4 => return Err(unsupported("a transparency mask")),
            8..=10 => return Err(unsupported("CIE L*a*b*")),
            other => return Err(unsupported(&format!("photometric interpretation {other}"))),
        };
        let extra = self.count.checked_sub(colours);
        let extra =
            extra.ok_or_else(|| corrupt("fewer samples per pixel than its colours need"))?;
        // Some writers do not declare the fourth of four samples: it counts as alpha.
        let forgotten = extra == 1 && self.extra.is_empty() && colours == 3;
        if extra != self.extra.len() && !forgotten {
            return Err(unsupported("undeclared channels"));
        }
        let associated = self.extra.iter().position(|kind| *kind == 1);
        match (associated, &meaning) {
            (None, _) | (Some(0), Meaning::Rgb) => {}
            _ => return Err(unsupported("these colours with premultiplied alpha")),
        }
        if extra > 0 && (matches!(meaning, Meaning::YCbCr) || !deep) {
            return Err(unsupported("these colours with transparency"));
        }
        // The meaning of the first extra channel, as in Pillow.
        let transparent = (forgotten || matches!(self.extra.first(), Some(1 | 2)))
            && !matches!(meaning, Meaning::Cmyk | Meaning::Palette(_));
        Ok(Colours {
            meaning,
            premultiplied: associated.is_some(),
            alpha: if transparent { alpha } else { Alpha::Drop },
        })
    }
}

/// Red, green and blue of each index, from their high bytes, as in Pillow.
fn palette(directory: &Directory<'_>, bits: usize) -> Result<Vec<[u8; 3]>, ImageError> {
    let count = 1 << bits;
    let map = directory
        .numbers(tag::COLOUR_MAP, 3 * count)?
        .filter(|map| map.len() == 3 * count)
        .ok_or_else(|| corrupt("its palette is missing or too short"))?;
    let high = |channel: usize, i: usize| map.get(channel * count + i).map_or(0, |v| v >> 8) as u8;
    Ok((0..count)
        .map(|i| [high(0, i), high(1, i), high(2, i)])
        .collect())
}

/// The division of the picture.
struct Grid {
    width: usize,
    height: usize,
    offsets: u16,
    counts: u16,
}

impl Grid {
    fn of(directory: &Directory<'_>, (width, height): (usize, usize)) -> Result<Self, ImageError> {
        if let Some(wide) = directory.one(tag::TILE_WIDTH)? {
            let high = directory.one(tag::TILE_HEIGHT)?.unwrap_or(0);
            if wide.min(high) == 0 || wide.max(high) > MOST_TILE_SIDE {
                return Err(corrupt(&format!("tiles of {wide}x{high} pixels")));
            }
            return Ok(Self {
                width: wide as usize,
                height: high as usize,
                offsets: tag::TILE_OFFSETS,
                counts: tag::TILE_BYTES,
            });
        }
        let rows = directory.one(tag::ROWS_PER_STRIP)?.unwrap_or(u64::MAX);
        if rows == 0 {
            return Err(corrupt("strips of no rows"));
        }
        Ok(Self {
            width,
            height: usize::try_from(rows).unwrap_or(height).min(height),
            offsets: tag::STRIP_OFFSETS,
            counts: tag::STRIP_BYTES,
        })
    }

    /// Finds the strips or tiles in the file.
    fn chunks(
        &self,
        directory: &Directory<'_>,
        bytes: &[u8],
        compression: Compression,
        (planes, samples, bits): (usize, usize, usize),
        (width, height): (usize, usize),
        limits: &Limits,
    ) -> Result<Chunks, ImageError> {
        let (across, down) = (width.div_ceil(self.width), height.div_ceil(self.height));
        // Tiles may extend beyond the picture's edges. A JPEG tile is decoded completely, others up to the edge of the
        // picture.
        let one = self.width as u64 * self.height as u64;
        let padded = one.saturating_mul(across as u64 * down as u64);
        if (compression == Compression::Jpeg && one > limits.max_pixels)
            || padded > limits.max_pixels.saturating_mul(2).max(MOST_TILE_SIDE)
        {
            let (wide, high) = (self.width, self.height);
            return Err(unsupported(&format!(
                "tiles of {wide}x{high} pixels in a picture of {width}x{height}"
            )));
        }
        let count = across.saturating_mul(down).saturating_mul(planes);
        if count > MOST_CHUNKS {
            return Err(unsupported(&format!(
                "{count} strips or tiles; at most {MOST_CHUNKS} are supported"
            )));
        }
        let row_bytes = (self.width * samples * bits).div_ceil(8);
        let offsets = directory
            .numbers(self.offsets, count)?
            .filter(|offsets| offsets.len() == count)
            .ok_or_else(|| corrupt("its directory has fewer strips than the picture needs"))?;
        let counts = directory.numbers(self.counts, count)?;
        let mut places = Vec::with_capacity(count);
        let mut total = 0_usize;
        for (i, offset) in offsets.into_iter().enumerate() {
            let start = usize::try_from(offset).unwrap_or(usize::MAX);
            let length = match (compression, &counts) {
                // Computed from the number of pixels. The directory is not used, because some writers get it wrong; Pillow
                // ignores it too.
                (Compression::None, _) => {
                    let row = i / across % down;
                    row_bytes.saturating_mul(self.height.min(height - row * self.height))
                }
                (_, Some(counts)) => {
                    let length = counts.get(i).copied().unwrap_or(0);
                    usize::try_from(length).unwrap_or(usize::MAX)
                }
                (_, None) if count == 1 => bytes.len().saturating_sub(start),
                (_, None) => return Err(corrupt("the lengths of its strips are missing")),
            };
            let end = start.saturating_add(length);
            if end > bytes.len() {
                return Err(corrupt("a strip or tile extends beyond the file"));
            }
            // Strips that share bytes would be decompressed once for each reference.
            total = total.saturating_add(length);
            if total > bytes.len() {
                return Err(corrupt("its strips have more bytes than the file"));
            }
            places.push(start..end);
        }
        Ok(Chunks {
            width: self.width,
            height: self.height,
            across,
            down,
            planes,
            samples,
            row_bytes,
            places,
        })
    }
}
