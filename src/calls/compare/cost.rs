//! What the answer to a comparison takes, counted before anything is decoded.

use super::{CompareCall, MapForm};
use crate::api::answer_size::{NUMBER, OBJECT, of_text};
use crate::engine::ImageSource;
use crate::inspection::statements::Feature;
use crate::preprocess::{HEADER_BYTES, Limits, announced_pixels};

use super::one::MOST_REGIONS;

/// Bytes of a result without statements and map: a score with its parts, the registration, and the places.
const RESULT: usize = (4 + MOST_REGIONS) * OBJECT + 40 * NUMBER;

/// Bytes of a pixel of a map, at most: its value (4), the decoded picture and the coloured one (3 each), the file (3 and a
/// little more), and its base64 (4.1).
const OVERLAY_PIXEL: usize = 18;

/// The same for 16-bit values: value (4), pixels (2), file (2 and a little more), base64 (2.8).
const VALUES_PIXEL: usize = 12;

/// Bytes of the answer to a call without its maps, at most.
#[must_use]
pub fn of_answer(call: &CompareCall) -> usize {
    let statement = |text: usize| OBJECT + of_text(text) + Feature::ALL.len() * (NUMBER + 24);
    let statements = call
        .statements
        .iter()
        .map(|said| statement(said.text.len()));
    let result = RESULT.saturating_add(statements.sum::<usize>());
    OBJECT.saturating_add(call.images.len().saturating_mul(result))
}

/// Bytes of the maps of images, at most.
#[must_use]
pub fn of_maps(map: Option<MapForm>, images: &[ImageSource], limits: &Limits) -> usize {
    let a_pixel = match map {
        None => return 0,
        Some(MapForm::Overlay) => OVERLAY_PIXEL,
        Some(MapForm::Values) => VALUES_PIXEL,
    };
    let pixels = images.iter().map(|image| pixels_of(image, limits));
    let pixels = pixels.fold(0, usize::saturating_add);
    pixels.saturating_mul(a_pixel)
}

/// Pixels that a file announces; of one that does not say, as many as an image may have.
fn pixels_of(image: &ImageSource, limits: &Limits) -> usize {
    let known = [HEADER_BYTES, usize::MAX].into_iter();
    let known = known
        .flat_map(|most| announced_pixels(&image.head(most)))
        .next();
    let pixels = known.unwrap_or(u64::MAX).min(limits.max_pixels);
    usize::try_from(pixels).unwrap_or(usize::MAX)
}
