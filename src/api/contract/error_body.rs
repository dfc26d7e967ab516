//! An error as JSON, in the shape of the OpenAI API.

use crate::error_code::Code;
use serde::Serialize;
use utoipa::ToSchema;

/// An answer that is an error.
#[derive(Debug, Serialize, ToSchema)]
pub struct ErrorBody {
    /// What was wrong.
    pub error: ErrorObject,
}

/// What was wrong, where, and what to do.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Error)]
pub struct ErrorObject {
    /// The family of the error, in OpenAI's words.
    #[schema(example = "invalid_request_error")]
    pub r#type: &'static str,
    /// Stable, one for each cause; docs/src/reference/errors.md lists them.
    #[schema(example = "image_corrupt")]
    pub code: Code,
    /// For the reader.
    pub message: String,
    /// The field or item at fault.
    #[schema(example = "images[2]", required)]
    pub param: Option<String>,
}

/// An error in Cohere's words, with ours beside them.
#[derive(Debug, Serialize, ToSchema)]
pub struct CohereError {
    /// The code, what was wrong, and where.
    pub message: String,
    /// As everywhere else.
    pub error: ErrorObject,
}
