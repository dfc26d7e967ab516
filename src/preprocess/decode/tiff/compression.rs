//! The compression of a TIFF file's strips.

use super::refusals::unsupported;
use crate::preprocess::error::ImageError;

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

/// The compression of a number in the directory.
pub(super) fn compression(number: u64) -> Result<Compression, ImageError> {
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
