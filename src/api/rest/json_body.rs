//! JSON → request, with errors that say where.

use serde::de::DeserializeOwned;

use crate::api::ApiError;

/// Reads a JSON body.
///
/// # Errors
/// 400 `invalid_json` for text that is not JSON, 400 `invalid_request` for JSON of another shape, with the path of the
/// field or item in `param`.
pub fn parse<T: DeserializeOwned>(body: &[u8]) -> Result<T, ApiError> {
    if body.is_empty() {
        return Err(ApiError::bad_request(
            "body_empty",
            "the body is empty; send a JSON object",
        ));
    }
    let mut json = serde_json::Deserializer::from_slice(body);
    let parsed = serde_path_to_error::deserialize(&mut json).map_err(|error| {
        let path = error.path().to_string();
        let inner = error.into_inner();
        let code = if inner.is_data() {
            "invalid_request"
        } else {
            "invalid_json"
        };
        let located = ApiError::bad_request(code, inner.to_string());
        if path == "." {
            located
        } else {
            located.at(path)
        }
    })?;
    json.end()
        .map_err(|error| ApiError::bad_request("invalid_json", error.to_string()))?;
    Ok(parsed)
}
