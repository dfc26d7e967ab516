//! The PNG that is wanted of a map, and what it takes.

use serde::Deserialize;
use utoipa::ToSchema;

use crate::inspection::map_file::MapFile;

/// What the PNG of a map shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum MapKind {
    /// Colours where the text stands out, transparent elsewhere.
    Colours,
    /// 16-bit values.
    Values,
    /// The picture under the colours: of one image and one text.
    Overlay,
}

/// Bytes of a map of this many pixels while it is made, at worst.
pub fn at_worst(pixels: usize, kind: MapKind) -> usize {
    let (a_pixel, under) = match kind {
        MapKind::Colours => (MapFile::Colours.bytes_a_pixel(), 0),
        MapKind::Values => (MapFile::Values.bytes_a_pixel(), 0),
        MapKind::Overlay => (MapFile::Overlay(&[]).bytes_a_pixel(), 3),
    };
    // What cannot be compressed grows by less than a hundredth, and a growing list may have twice what it needs.
    let file = pixels.saturating_mul(a_pixel);
    file.saturating_add(file / 100 + (64 << 10))
        .saturating_mul(2)
        .saturating_add(pixels.saturating_mul(under))
}

/// Length of these bytes in JSON.
pub fn base64_bytes(bytes: usize) -> usize {
    bytes.div_ceil(3) * 4
}
