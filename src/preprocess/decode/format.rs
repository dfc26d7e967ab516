//! Recognises a format by its first bytes. Names and declared content types are ignored, because they are often wrong.

use crate::preprocess::error::ImageError;
use crate::preprocess::image_format::Format;

impl Format {
    /// Recognises the format of a file's content.
    ///
    /// # Errors
    /// [`ImageError::UnsupportedFormat`] for known image formats that are not decoded, so that the sender learns what to
    /// convert; [`ImageError::UnknownFormat`] for anything else.
    pub fn of(bytes: &[u8]) -> Result<Self, ImageError> {
        let at = |offset: usize, magic: &[u8]| {
            bytes
                .get(offset..)
                .is_some_and(|rest| rest.starts_with(magic))
        };
        let starts = |magic: &[u8]| at(0, magic);
        if starts(b"\xff\xd8\xff") {
            Ok(Self::Jpeg)
        } else if starts(b"\x89PNG\r\n\x1a\n") {
            Ok(Self::Png)
        } else if starts(b"RIFF") && at(8, b"WEBP") {
            Ok(Self::WebP)
        } else if starts(b"GIF87a") || starts(b"GIF89a") {
            Ok(Self::Gif)
        } else if starts(b"II*\0") || starts(b"MM\0*") || starts(b"II+\0") || starts(b"MM\0+") {
            Ok(Self::Tiff)
        } else if starts(b"BM") {
            Ok(Self::Bmp)
        } else {
            Err(
                known_but_unsupported(bytes).map_or(ImageError::UnknownFormat, |what| {
                    ImageError::UnsupportedFormat {
                        what: what.to_owned(),
                    }
                }),
            )
        }
    }
}

/// Common formats that must be converted first.
fn known_but_unsupported(bytes: &[u8]) -> Option<&'static str> {
    // ISO base media files name their brand at byte 8.
    let brand = (bytes.get(4..8) == Some(b"ftyp"))
        .then(|| bytes.get(8..12))
        .flatten();
    match brand {
        Some(b"avif" | b"avis") => return Some("AVIF"),
        Some(b"heic" | b"heix" | b"hevc" | b"hevx" | b"mif1" | b"msf1") => return Some("HEIC"),
        Some(_) => return Some("video"),
        None => {}
    }
    let text = bytes.trim_ascii_start();
    [
        (&b"\x00\x00\x00\x0cJXL "[..], "JPEG XL"),
        (b"\xff\x0a", "JPEG XL"),
        (b"\x00\x00\x00\x0cjP  ", "JPEG 2000"),
        (b"\xff\x4f\xff\x51", "JPEG 2000"),
        (b"8BPS", "Photoshop's PSD"),
        (b"\x00\x00\x01\x00", "ICO"),
        (b"%PDF", "PDF"),
        (b"<svg", "SVG"),
    ]
    .into_iter()
    .find_map(|(magic, name)| (bytes.starts_with(magic) || text.starts_with(magic)).then_some(name))
}
