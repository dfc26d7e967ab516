//! What the answer to a comparison takes, counted before anything is decoded.

use super::CompareCall;
use crate::api::answer_size::{NUMBER, OBJECT, of_text};
use crate::calls::map_kind::{MapKind, at_worst, base64_bytes};
use crate::engine::ImageSource;
use crate::inspection::statements::Feature;
use crate::preprocess::{HEADER_BYTES, Limits, announced_pixels};

use crate::inspection::layer_map::MOST_REGIONS;

/// Bytes of a result without statements and map: a score with its parts, the registration, and the places.
const RESULT: usize = (4 + MOST_REGIONS) * OBJECT + 40 * NUMBER;

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
pub fn of_maps(map: Option<MapKind>, images: &[ImageSource], limits: &Limits) -> usize {
    let Some(kind) = map else {
        return 0;
    };
    let pixels = images.iter().map(|image| pixels_of(image, limits));
    let bytes = pixels.map(|pixels| {
        let file = at_worst(pixels, kind);
        file.saturating_add(base64_bytes(file / 2))
    });
    bytes.fold(0, usize::saturating_add)
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
