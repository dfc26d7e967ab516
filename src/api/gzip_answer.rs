//! Compresses large answers with gzip, for clients that accept it. Answers contain nothing secret besides the client's own
//! input, so their length reveals nothing new to an eavesdropper.

use std::io::Write;

use axum::http::{HeaderMap, HeaderValue, header};
use axum::response::{IntoResponse as _, Response};
use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use http_body::Body as _;
use http_body_util::BodyExt as _;

use super::chunks::{CHUNK, Chunks};
use super::{ApiError, AppState, held};
use crate::error_code::Code;

/// Minimum size of an answer to compress, in bytes: below it, compression takes longer than sending.
pub const LEAST: u64 = 64 << 10;

/// Whether a client accepts gzip: `accept-encoding` contains it or `*`, with a weight above 0.
pub fn is_accepted(headers: &HeaderMap) -> bool {
    let mut any = false;
    for value in headers.get_all(header::ACCEPT_ENCODING) {
        for coding in value.to_str().unwrap_or_default().split(',') {
            let mut parts = coding.split(';').map(str::trim);
            let name = parts.next().unwrap_or_default().to_ascii_lowercase();
            let weight = parts.find_map(|part| part.strip_prefix("q="));
            let wanted = weight.is_none_or(|q| q.parse::<f32>().is_ok_and(|q| q > 0.0));
            match name.as_str() {
                "gzip" | "x-gzip" => return wanted,
                "*" => any = wanted,
                _ => {}
            }
        }
    }
    any
}

/// Compresses an answer that is large and is JSON. The size that the compressed copy has at most counts towards the budget of answers
/// before it is made; without room for it, the answer is sent uncompressed. Must be called while the request holds its slot,
/// because compression is work.
pub async fn packed(state: &AppState, is_accepted: bool, response: Response) -> Response {
    let is_json = response
        .headers()
        .get(header::CONTENT_TYPE)
        .is_some_and(|kind| kind == "application/json");
    let length = response.body().size_hint().exact().unwrap_or(0);
    if !is_json || length < LEAST {
        return response;
    }
    let (mut parts, mut body) = response.into_parts();
    let vary = HeaderValue::from_static("accept-encoding");
    parts.headers.append(header::VARY, vary);
    let mut share = state.admission.answer_share();
    let has_room = share.resize(most_packed(length));
    if !is_accepted || has_room.is_err() {
        return Response::from_parts(parts, body);
    }
    let mut plain = Vec::new();
    // The whole answer is in memory already.
    while let Some(frame) = body.frame().await {
        plain.extend(frame.ok().and_then(|frame| frame.into_data().ok()));
    }
    let packed = tokio::task::spawn_blocking(move || pack(plain)).await;
    let Ok(Ok(packed)) = packed else {
        let message = "the answer could not be packed; ask for it without accept-encoding";
        return ApiError::new(Code::InternalError, message).into_response();
    };
    held::until_taken(share);
    held::shrink_to(packed.bytes());
    parts.headers.remove(header::CONTENT_LENGTH);
    let gzip = HeaderValue::from_static("gzip");
    parts.headers.insert(header::CONTENT_ENCODING, gzip);
    Response::from_parts(parts, packed.into_body())
}

/// Maximum compressed size of this many bytes: incompressible data is stored in blocks with a few extra bytes each.
fn most_packed(length: u64) -> usize {
    let length = usize::try_from(length).unwrap_or(usize::MAX);
    length.saturating_add(length >> 10).saturating_add(CHUNK)
}

/// Each piece is freed as soon as it is compressed.
fn pack(plain: Vec<Bytes>) -> std::io::Result<Chunks> {
    let mut packer = GzEncoder::new(Chunks::default(), Compression::fast());
    for piece in plain {
        packer.write_all(&piece)?;
    }
    packer.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accept_encoding_is_parsed() {
        let accepts = |value: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(header::ACCEPT_ENCODING, value.parse().unwrap());
            is_accepted(&headers)
        };
        for yes in [
            "gzip",
            "gzip, deflate, br",
            "br;q=1.0, GZIP;q=0.5",
            "*",
            "identity, x-gzip",
        ] {
            assert!(accepts(yes), "{yes}");
        }
        for no in ["", "br", "gzip;q=0", "*, gzip; q=0", "*;q=0", "gzip;q=x"] {
            assert!(!accepts(no), "{no}");
        }
        assert!(!is_accepted(&HeaderMap::new()));
    }
}
