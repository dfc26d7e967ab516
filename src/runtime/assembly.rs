//! Copies items into the contiguous input memory of an encoder.

use super::RuntimeError;
use crate::preprocess::Pixels;

/// Copies images of `item` values each to the front of `values`; the rest stays unchanged.
///
/// # Errors
/// [`RuntimeError::Run`] if an image has another size or (`values_of` fails) another element type.
pub fn fill_images<T: Copy>(
    batch: &[&Pixels],
    item: usize,
    values: &mut [T],
    values_of: impl Fn(&Pixels) -> Option<&[T]>,
) -> Result<(), RuntimeError> {
    for (place, pixels) in values.chunks_exact_mut(item).zip(batch) {
        match values_of(pixels) {
            Some(found) if found.len() == item => place.copy_from_slice(found),
            Some(found) => {
                return Err(RuntimeError::Run(format!(
                    "an image of {} values instead of {item}",
                    found.len()
                )));
            }
            None => {
                return Err(RuntimeError::Run(
                    "pixels of the wrong element type".to_owned(),
                ));
            }
        }
    }
    Ok(())
}

/// Writes the attention mask of the same rows: 1 for a token, 0 for padding. A row without a text is all 1, because a
/// softmax over nothing is undefined.
pub fn fill_mask(batch: &[&[u32]], length: usize, values: &mut [i64]) {
    values.fill(1);
    for (row, text) in values.chunks_exact_mut(length).zip(batch) {
        row[text.len().min(length)..].fill(0);
    }
}

/// Writes texts in rows of `length` tokens, padded with `pad`. A longer text is truncated; rows without a text are padding.
pub fn fill_texts(batch: &[&[u32]], length: usize, pad: i64, values: &mut [i64]) {
    values.fill(pad);
    for (row, text) in values.chunks_exact_mut(length).zip(batch) {
        for (cell, id) in row.iter_mut().zip(*text) {
            *cell = i64::from(*id);
        }
    }
}
