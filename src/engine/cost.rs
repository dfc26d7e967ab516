//! About how long an item will take to prepare. The estimate decides only whose work comes first: what an item may take at most is
//! bounded elsewhere.

use super::request::Item;
use crate::preprocess::{HEADER_BYTES, Limits, announced_pixels};

/// Pixels that are decoded in a microsecond. PNG and JPEG of 50 megapixels take half a second.
const PIXELS_PER_MICROSECOND: u64 = 100;

/// Microseconds that a byte of text takes at worst, where one character becomes twenty before it is split.
const TEXT_BYTE: u64 = 10;

/// What any image takes besides: its resizing to the encoder's input.
const IMAGE: u64 = 200;

/// Microseconds, about and at worst. An image that does not say how large it is counts as one of the largest.
pub fn of(item: &Item, limits: &Limits) -> u64 {
    match item {
        Item::Image(image) => {
            let pixels = announced_pixels(&image.head(HEADER_BYTES)).unwrap_or(u64::MAX);
            IMAGE + pixels.min(limits.max_pixels) / PIXELS_PER_MICROSECOND
        }
        Item::Text(text) => text.len() as u64 * TEXT_BYTE,
        Item::Pixels(_) | Item::Tokens(_) => 1,
    }
}
