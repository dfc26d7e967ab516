//! Estimates the time for preparing an item. The estimate only determines the order of work; the maximum work of an item is
//! limited elsewhere.

use super::image_source::ImageSource;
use super::request::Item;
use crate::preprocess::{HEADER_BYTES, Limits, announced_pixels};

/// Number of pixels decoded per microsecond. PNG and JPEG of 50 megapixels take half a second.
const PIXELS_PER_MICROSECOND: u64 = 100;

/// Microseconds per byte of text at worst, where one character becomes twenty before it is split.
const TEXT_BYTE: u64 = 10;

/// Additional cost of any image: resizing to the encoder's input.
const IMAGE: u64 = 200;

/// Number of bytes that contain the size in most files. Base64 of these is decoded in a twentieth of the time of [`HEADER_BYTES`].
const USUAL_HEADER_BYTES: usize = 4 << 10;

/// Estimated microseconds, at worst.
pub fn of(item: &Item, limits: &Limits) -> u64 {
    match item {
        Item::Image(image) => of_image(image, limits),
        Item::Text(text) => text.len() as u64 * TEXT_BYTE,
        Item::Pixels(_) | Item::Tokens(_) => 1,
    }
}

/// The same for an image. One without a readable size counts as one of the largest.
pub fn of_image(image: &ImageSource, limits: &Limits) -> u64 {
    let known = [USUAL_HEADER_BYTES, HEADER_BYTES].into_iter();
    let pixels = known.map(|most| announced_pixels(&image.head(most)));
    let pixels = pixels.flatten().next().unwrap_or(u64::MAX);
    IMAGE + pixels.min(limits.max_pixels) / PIXELS_PER_MICROSECOND
}
