//! Size of an answer, counted before it is made: memory for the numbers and texts, and again as JSON.

use crate::error_code::Code;

use super::{ApiError, AppState, held};

/// Bytes of a number: four as computed, up to thirteen as JSON with its comma.
pub const NUMBER: usize = 17;

/// Bytes of an object with a few fields, such as a label with its scores: in memory, and as JSON with the field names.
pub const OBJECT: usize = 192;

/// Bytes of a repeated text: in memory, and as JSON, where a character may take six.
pub fn of_text(bytes: usize) -> usize {
    bytes.saturating_mul(2)
}

/// Takes bytes from the budget of answers until the answer of the current request is sent.
///
/// # Errors
/// 413 `answer_too_large` if the answer exceeds the maximum; 429 if others use the budget.
pub fn reserve(state: &AppState, bytes: usize) -> Result<(), ApiError> {
    let most = state.admission.max_answer_bytes();
    if bytes > most {
        let message = format!(
            "the answer would take some {} MiB, at most {} MiB are given; ask for fewer items at a time",
            bytes >> 20,
            most >> 20
        );
        return Err(ApiError::new(Code::AnswerTooLarge, message));
    }
    let mut share = state.admission.answer_share();
    share.resize(bytes)?;
    held::until_taken(share);
    Ok(())
}
