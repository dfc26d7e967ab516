//! PNG files in answers: as the whole answer, or as base64 in JSON.

use std::fmt;

use axum::http::{HeaderMap, HeaderValue, header};
use axum::response::{IntoResponse, Response};
use base64::display::Base64Display;
use base64::engine::general_purpose::STANDARD;
use serde::{Serialize, Serializer};

use crate::api::chunks::Chunks;
use crate::api::held;

/// A PNG, written as base64.
pub(super) struct Png(pub(super) Vec<u8>);

impl fmt::Debug for Png {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Png({} bytes)", self.0.len())
    }
}

impl Serialize for Png {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&Base64Display::new(&self.0, &STANDARD))
    }
}

/// Whether `accept` names PNG before JSON. A client that takes anything gets JSON.
pub(super) fn wants_png(headers: &HeaderMap) -> bool {
    let values = headers.get_all(header::ACCEPT).into_iter();
    let names = values
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','));
    let mut essences = names.filter_map(|name| name.split(';').next());
    let first = essences.find_map(|name| match name.trim().to_ascii_lowercase().as_str() {
        "image/png" => Some(true),
        "application/json" | "application/*" | "*/*" => Some(false),
        _ => None,
    });
    first.unwrap_or(false)
}

/// A PNG as the whole answer.
pub(super) fn png_answer(png: Vec<u8>) -> Response {
    let chunks = Chunks::of(png.into());
    held::shrink_to(chunks.bytes());
    let mut response = chunks.into_body().into_response();
    let png = HeaderValue::from_static("image/png");
    response.headers_mut().insert(header::CONTENT_TYPE, png);
    response
}
