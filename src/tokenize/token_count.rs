//! The number of tokens of texts.

use std::iter::Sum;

/// Tokens that the encoder read, and tokens that it did not.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct TokenCount {
    /// Tokens that the encoder read, including start and end tokens; 0 for an image.
    pub read: usize,
    /// Tokens beyond the model's context, which were cut off.
    pub truncated: usize,
}

impl Sum for TokenCount {
    fn sum<I: Iterator<Item = Self>>(counts: I) -> Self {
        counts.fold(Self::default(), |sum, count| Self {
            read: sum.read + count.read,
            truncated: sum.truncated + count.truncated,
        })
    }
}
