//! An error as JSON, in the shape of the OpenAI API.

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
    /// Stable, one a cause; the README lists them by status.
    #[schema(example = "image_corrupt")]
    pub code: &'static str,
    /// For the reader.
    pub message: String,
    /// The field or item to blame.
    #[schema(example = "images[2]", required)]
    pub param: Option<String>,
}
