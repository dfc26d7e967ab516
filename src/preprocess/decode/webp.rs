//! Reads chunks of a WebP file before, and instead of, its decoder.

use super::Format;
use crate::preprocess::{error::ImageError, limits::Limits};

/// Refuses a file with too large a frame. The decoder trusts the canvas size of an extended file until it has decoded the
/// frame, which can declare 16383 by 16383 in a file of a hundred bytes.
pub(super) fn check_frames(bytes: &[u8], limits: &Limits) -> Result<(), ImageError> {
    for chunk in chunks(bytes.get(12..).unwrap_or_default()) {
        check_frame(&chunk, limits)?;
        if chunk.name == b"ANMF" {
            // After the frame's header come its own chunks: at most alpha and pixels. They are not limited to the end of the
            // frame's chunk, because the decoder does not stop there either.
            let inside = chunk.content.get(16..).unwrap_or_default();
            for chunk in chunks(inside).take(2) {
                check_frame(&chunk, limits)?;
            }
        }
    }
    Ok(())
}

fn check_frame(chunk: &Chunk<'_>, limits: &Limits) -> Result<(), ImageError> {
    let size = match chunk.name {
        b"VP8 " => lossy_size(chunk.content),
        b"VP8L" => lossless_size(chunk.content),
        _ => None,
    };
    size.map_or(Ok(()), |(width, height)| {
        limits.check_size(Format::WebP, width, height)
    })
}

/// After three bytes of flags and three constant bytes: 14 bits each.
fn lossy_size(content: &[u8]) -> Option<(u32, u32)> {
    let sides = content.get(6..10)?;
    let (sides, _) = sides.as_chunks::<2>();
    let &[width, height] = sides else { return None };
    let side = |bytes| u32::from(u16::from_le_bytes(bytes) & 0x3fff);
    Some((side(width), side(height)))
}

/// After a constant byte: 14 bits each, minus one.
fn lossless_size(content: &[u8]) -> Option<(u32, u32)> {
    let header = u32::from_le_bytes(*content.get(1..)?.first_chunk()?);
    Some(((header & 0x3fff) + 1, (header >> 14 & 0x3fff) + 1))
}

/// The content of the EXIF chunk. The decoder would allocate as many bytes as the chunk declares, which can be 4 GiB in a
/// file of a hundred bytes. A chunk that extends beyond the file is ignored.
pub(super) fn exif(bytes: &[u8]) -> Option<&[u8]> {
    let mut chunks = chunks(bytes.get(12..)?);
    let exif = chunks.find(|chunk| chunk.name == b"EXIF")?;
    exif.content.get(..exif.size)
}

/// A chunk of the file.
struct Chunk<'a> {
    name: &'a [u8],
    /// Its declared length.
    size: usize,
    /// Everything from its content on.
    content: &'a [u8],
}

fn chunks(mut rest: &[u8]) -> impl Iterator<Item = Chunk<'_>> {
    std::iter::from_fn(move || {
        let (name, behind) = rest.split_at_checked(4)?;
        let (size, content) = behind.split_first_chunk::<4>()?;
        let size = u32::from_le_bytes(*size) as usize;
        // Chunks begin at even offsets.
        let next = size.saturating_add(size % 2);
        rest = content.get(next..).unwrap_or_default();
        Some(Chunk {
            name,
            size,
            content,
        })
    })
}
