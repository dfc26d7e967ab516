//! The declared size of an image, read from the file's first bytes without decoding.

use super::decode::Format;

/// Number of bytes that are read: a JPEG may have 64 KiB of EXIF data before its size.
pub const HEADER_BYTES: usize = 80 << 10;

/// Width times height in the header of a file, from its first [`HEADER_BYTES`]. `None` if they do not contain it, for
/// example for a TIFF with its directory at the end, or for other content.
///
/// Decoding reads the header itself: this is only for the order of work, in which an image without a size counts as one
/// of the largest.
#[must_use]
pub fn announced_pixels(head: &[u8]) -> Option<u64> {
    Format::of(head).ok()?;
    let size = imagesize::blob_size(head).ok()?;
    u64::try_from(size.width.saturating_mul(size.height)).ok()
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;
    use std::path::Path;

    use super::super::{Limits, decode};
    use super::*;

    #[test]
    fn every_format_announces_the_size_that_is_decoded() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/images");
        let mut formats = HashSet::new();
        for file in std::fs::read_dir(folder).unwrap() {
            let path = file.unwrap().path();
            let bytes = std::fs::read(&path).unwrap();
            if let Ok(image) = decode(&bytes, &Limits::default(), false) {
                let pixels = u64::from(image.width()) * u64::from(image.height());
                let head = &bytes[..HEADER_BYTES.min(bytes.len())];
                assert_eq!(announced_pixels(head), Some(pixels), "{}", path.display());
                formats.insert(Format::of(&bytes).unwrap());
            }
        }
        assert_eq!(
            formats.len(),
            6,
            "tests/fixtures/images needs a file of each format of Format, and this test their number: {formats:?}"
        );
    }
}
