//! Parses JSON requests, with errors that name the place.

use std::fmt;

use axum::extract::Request;
use serde::de::{DeserializeOwned, Deserializer, Error, Visitor};

use super::surrogates;
use crate::api::byte_share::AdmittedBody;
use crate::api::{ApiError, AppState};
use crate::bounded::{self, Object};
use crate::error_code::Code;

const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// Reads a request with a JSON object as its body. What is read is counted towards the budget as long as the second value lives.
///
/// # Errors
/// Those of the body's size and coding, and of [`parse`].
pub async fn read<T: DeserializeOwned>(
    state: &AppState,
    request: Request,
) -> Result<(T, AdmittedBody), ApiError> {
    let (parts, body) = request.into_parts();
    let mut body = state.admission.read_unpacked(&parts.headers, body).await?;
    let parsed = parse(&body.bytes)?;
    body.was_parsed();
    Ok((parsed, body))
}

/// Parses a JSON object; a leading byte order mark is skipped, and an unpaired surrogate becomes U+FFFD.
///
/// # Errors
/// 400 `invalid_json` for text that is not JSON, 400 `invalid_request` for JSON of another shape, with the path of the
/// field or item in `param`, and 400 `too_many_items` beyond the bound of [`bounded::within`].
pub fn parse<T: DeserializeOwned>(body: &[u8]) -> Result<T, ApiError> {
    let body = body.strip_prefix(BYTE_ORDER_MARK).unwrap_or(body);
    if body.is_empty() {
        return Err(ApiError::new(
            Code::BodyEmpty,
            "the body is empty; send a JSON object",
        ));
    }
    let body = surrogates::replaced(body);
    let mut json = serde_json::Deserializer::from_slice(&body);
    let parsed = serde_path_to_error::deserialize(&mut json);
    let Object(parsed) = parsed.map_err(|error| {
        let path = error.path().to_string();
        if let Some(most) = bounded::overrun() {
            let message = format!("more than {most} items; send them in parts");
            let list = path.split('[').next().unwrap_or_default();
            return ApiError::new(Code::TooManyItems, message).at(list);
        }
        let inner = error.into_inner();
        let code = if inner.is_data() {
            Code::InvalidRequest
        } else {
            Code::InvalidJson
        };
        let located = ApiError::new(code, inner.to_string());
        if path == "." {
            located
        } else {
            located.at(path)
        }
    })?;
    json.end()
        .map_err(|error| ApiError::new(Code::InvalidJson, error.to_string()))?;
    Ok(parsed)
}

/// An optional integer, `3` or `3.0`: in JSON both are the same number.
///
/// # Errors
/// The deserializer's error for anything else.
pub fn whole_number<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<usize>, D::Error> {
    deserializer.deserialize_any(WholeNumber)
}

struct WholeNumber;

impl Visitor<'_> for WholeNumber {
    type Value = Option<usize>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a whole number, not negative")
    }

    fn visit_unit<E: Error>(self) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<Self::Value, E> {
        // A larger number exceeds every limit here as well.
        Ok(Some(usize::try_from(value).unwrap_or(usize::MAX)))
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<Self::Value, E> {
        if value.fract() == 0.0 && value >= 0.0 {
            Ok(Some(value as usize))
        } else {
            Err(E::invalid_value(serde::de::Unexpected::Float(value), &self))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(serde::Deserialize)]
    struct Request {
        #[serde(default, deserialize_with = "whole_number")]
        n: Option<usize>,
    }

    #[test]
    fn whole_numbers_in_every_spelling() {
        let read = |json: &str| parse::<Request>(json.as_bytes()).map(|request| request.n);
        assert_eq!(read("{}"), Ok(None));
        assert_eq!(read(r#"{"n": null}"#), Ok(None));
        for three in ["3", "3.0", "0.3e1"] {
            assert_eq!(read(&format!(r#"{{"n": {three}}}"#)), Ok(Some(3)));
        }
        assert_eq!(read(r#"{"n": 1e300}"#), Ok(Some(usize::MAX)));
        for wrong in ["-1", "2.5", r#""3""#, "[]", "true", "-3.0"] {
            let error = read(&format!(r#"{{"n": {wrong}}}"#)).unwrap_err();
            assert_eq!(error.code, "invalid_request", "{wrong}");
            assert_eq!(error.param.as_deref(), Some("n"), "{wrong}");
        }
    }
}
