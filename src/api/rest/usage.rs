//! What a request cost, in tokens.

use serde::Serialize;
use utoipa::ToSchema;

use crate::calls::Cost;

/// OpenAI's usage object, and what was cut off: truncation must be visible.
#[derive(Debug, Clone, Copy, Default, Serialize, ToSchema)]
pub struct Usage {
    /// Tokens that the text encoder read, start and end tokens included.
    pub prompt_tokens: usize,
    /// The same: nothing is generated here.
    pub total_tokens: usize,
    /// Tokens of texts beyond the model's context.
    pub truncated_tokens: usize,
}

impl From<Cost> for Usage {
    fn from(cost: Cost) -> Self {
        Self {
            prompt_tokens: cost.tokens,
            total_tokens: cost.tokens,
            truncated_tokens: cost.truncated,
        }
    }
}
