//! The endings of image files.

/// Endings of the formats that can be decoded: see [`crate::preprocess::decode`].
pub const DECODED: [&str; 8] = ["jpg", "jpeg", "png", "webp", "gif", "bmp", "tif", "tiff"];

/// Endings of images that no decoder here supports. They are listed as broken items, not left out.
const NOT_DECODED: [&str; 4] = ["avif", "heic", "jxl", "jp2"];

/// Whether the ending is that of an image that can be decoded.
pub fn is_decoded(ending: &str) -> bool {
    has(&DECODED, ending)
}

/// Whether the ending is that of an image, whether or not it can be decoded.
pub fn is_image(ending: &str) -> bool {
    is_decoded(ending) || has(&NOT_DECODED, ending)
}

fn has(endings: &[&str], ending: &str) -> bool {
    endings
        .iter()
        .any(|known| known.eq_ignore_ascii_case(ending))
}
