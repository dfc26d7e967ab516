//! How many items of a list a request asks for.

use crate::api::ApiError;
use crate::error_code::Code;

/// The number that was asked for, or the usual one.
///
/// # Errors
/// An error with this code unless it is from 1 to `most`.
pub fn limit(
    asked: Option<usize>,
    (usual, most): (usize, usize),
    code: Code,
) -> Result<usize, ApiError> {
    let limit = asked.unwrap_or(usual);
    if (1..=most).contains(&limit) {
        Ok(limit)
    } else {
        Err(ApiError::new(code, format!("limit is from 1 to {most}")).at("limit"))
    }
}
