//! The id of a request: from the client, or new.

use axum::http::{HeaderMap, HeaderName, HeaderValue};
use uuid::Uuid;

/// The header in requests and responses.
pub const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// Maximum length, because every log line contains the id.
const LONGEST: usize = 128;

/// The client's id if it is 1 to 128 visible ASCII characters, else a random UUID.
pub fn of(headers: &HeaderMap) -> String {
    let given = headers.get(&REQUEST_ID).map(HeaderValue::as_bytes);
    let sane =
        given.filter(|id| (1..=LONGEST).contains(&id.len()) && id.iter().all(u8::is_ascii_graphic));
    match sane.and_then(|id| std::str::from_utf8(id).ok()) {
        Some(id) => id.to_owned(),
        None => Uuid::new_v4().to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_valid_id_is_used_and_any_other_replaced() {
        let with = |value: &[u8]| {
            let mut headers = HeaderMap::new();
            headers.insert(REQUEST_ID, HeaderValue::from_bytes(value).unwrap());
            of(&headers)
        };
        let longest = "x".repeat(LONGEST);
        for id in ["7", "line-3/part_0042", "a\"b", &longest] {
            assert_eq!(with(id.as_bytes()), id);
        }
        let too_long = "x".repeat(LONGEST + 1);
        for id in [
            b"" as &[u8],
            b"two words",
            b"a\tb",
            "schön".as_bytes(),
            too_long.as_bytes(),
        ] {
            assert!(Uuid::parse_str(&with(id)).is_ok(), "{id:?}");
        }
        assert_ne!(of(&HeaderMap::new()), of(&HeaderMap::new()));
    }
}
