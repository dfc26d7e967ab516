//! Stored JSON in answers, exactly as it was stored: read and written again, its numbers might differ in their last digit.

use serde::Serialize;
use serde_json::value::RawValue;

use crate::api::ApiError;
use crate::lines::LineError;
use crate::reviews::ReviewError;

/// A stored JSON object with more fields after its own.
///
/// # Errors
/// 500 if the stored text is not an object.
pub fn with_fields(stored: &str, more: &impl Serialize) -> Result<Box<RawValue>, ApiError> {
    let wrong = |error| ApiError::from(LineError::from(ReviewError::from(error)));
    let more = serde_json::to_string(more).map_err(wrong)?;
    let (Some(stored), Some(more)) = (stored.strip_suffix('}'), more.strip_prefix('{')) else {
        let error = ReviewError::Content("an answer is not an object".to_owned());
        return Err(LineError::from(error).into());
    };
    RawValue::from_string(format!("{stored},{more}")).map_err(wrong)
}

/// Stored JSON as it is.
///
/// # Errors
/// 500 if the stored text is not JSON.
pub fn as_stored(stored: String) -> Result<Box<RawValue>, ApiError> {
    let wrong = |error| ApiError::from(LineError::from(ReviewError::from(error)));
    RawValue::from_string(stored).map_err(wrong)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stored_digits_stay() {
        let stored = r#"{"score":0.10000000000000000555}"#;
        let more = serde_json::json!({"duplicate": true});
        let all = with_fields(stored, &more).unwrap();
        assert_eq!(
            all.get(),
            r#"{"score":0.10000000000000000555,"duplicate":true}"#
        );
        assert!(with_fields("[]", &more).is_err() && as_stored("{".to_owned()).is_err());
    }
}
