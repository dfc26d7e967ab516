//! Reads the layout of the pixels from a TIFF file's directory, and checks that the file can contain them. All of this
//! happens before a pixel is decoded, and takes no more memory than the file's list of strips.

use super::{
    channels::Channels,
    chunks::{Chunks, Grid},
    colours::{Colours, Meaning},
    compression::{Compression, compression},
    directory::Directory,
    refusals::{corrupt, unsupported},
    tag,
};
use crate::preprocess::{
    Alpha, decode::Format, error::ImageError, limits::Limits, orientation::UPRIGHT,
};

/// Maximum size of JPEG tables in bytes: four tables of each kind take 2.3 KB. They are read again for each strip.
const MOST_TABLES: usize = 16 << 10;

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
