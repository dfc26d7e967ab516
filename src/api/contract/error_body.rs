//! An error as JSON, in the shape of the OpenAI API.

use crate::error_code::Code;
use serde::Serialize;
use utoipa::ToSchema;

/// An answer that is an error.
#[derive(Debug, Serialize, ToSchema)]
pub struct ErrorBody {
    /// The error.
    pub error: ErrorObject,
}

/// What was wrong, where, and what to do.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Error)]
pub struct ErrorObject {
    /// The family of the error, as in OpenAI's API.
    #[schema(example = "invalid_request_error")]
    pub r#type: &'static str,
    /// Stable, one for each cause; docs/src/reference/errors.md lists them.
    #[schema(example = "image_corrupt")]
    pub code: Code,
    /// A message for people.
    pub message: String,
    /// The invalid field or item.
    #[schema(example = "images[2]", required)]
    pub param: Option<String>,
}

/// An error in Cohere's format, with this server's fields in addition.
#[derive(Debug, Serialize, ToSchema)]
pub struct CohereError {
    /// The code, what was wrong, and where.
    pub message: String,
    /// The error as on the other routes.
    pub error: ErrorObject,
}
