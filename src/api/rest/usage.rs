//! The tokens of a request.

use serde::Serialize;
use utoipa::ToSchema;

use crate::tokenize::TokenCount;

/// OpenAI's usage object, and the number of truncated tokens, because truncation must be visible.
#[derive(Debug, Clone, Copy, Default, Serialize, ToSchema)]
pub struct Usage {
    /// Tokens of the texts, including start and end tokens.
    pub prompt_tokens: usize,
    /// The same number, because nothing is generated.
    pub total_tokens: usize,
    /// Tokens of texts beyond the model's context.
    pub truncated_tokens: usize,
}

impl From<TokenCount> for Usage {
    fn from(tokens: TokenCount) -> Self {
        Self {
            prompt_tokens: tokens.read,
            total_tokens: tokens.read,
            truncated_tokens: tokens.truncated,
        }
    }
}
