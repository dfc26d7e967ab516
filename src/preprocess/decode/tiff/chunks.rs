//! The strips or tiles of a TIFF file, and their places in it.

use super::{
    compression::Compression,
    directory::Directory,
    refusals::{corrupt, unsupported},
    tag,
};
use crate::preprocess::{error::ImageError, limits::Limits};

/// Maximum number of strips or tiles: tiles of 16 by 16 for 67 megapixels.
const MOST_CHUNKS: usize = 1 << 18;

/// Maximum side of a tile, in pixels: one row of it is in memory.
const MOST_TILE_SIDE: u64 = 1 << 16;

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

/// The division of the picture.
pub(super) struct Grid {
    width: usize,
    height: usize,
    offsets: u16,
    counts: u16,
}

impl Grid {
    pub(super) fn of(
        directory: &Directory<'_>,
        (width, height): (usize, usize),
    ) -> Result<Self, ImageError> {
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
    pub(super) fn chunks(
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
