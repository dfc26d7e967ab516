//! Size of an answer, counted before it is made: memory for the numbers and texts, and again as JSON.

use crate::error_code::Code;

use super::byte_share::ByteShare;
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
    let mut growing = Growing::new(state);
    growing.resize(bytes)?;
    growing.keep();
    Ok(())
}

/// Bytes of an answer whose parts are made one after another: before a part its largest possible size is taken, afterwards
/// what it does not need is given back.
#[derive(Debug)]
pub struct Growing {
    share: ByteShare,
    most: usize,
}

impl Growing {
    /// Takes nothing yet.
    pub fn new(state: &AppState) -> Self {
        Self {
            share: state.admission.answer_share(),
            most: state.admission.max_answer_bytes(),
        }
    }

    /// Holds this many bytes in all.
    ///
    /// # Errors
    /// As [`reserve`].
    pub fn resize(&mut self, bytes: usize) -> Result<(), ApiError> {
        if bytes > self.most {
            let message = format!(
                "the answer would take some {} MiB, at most {} MiB are given; ask for fewer items at a time",
                bytes >> 20,
                self.most >> 20
            );
            return Err(ApiError::new(Code::AnswerTooLarge, message));
        }
        self.share.resize(bytes)
    }

    /// Keeps the bytes until the answer of the current request is sent.
    pub fn keep(self) {
        held::until_taken(self.share);
    }
}
