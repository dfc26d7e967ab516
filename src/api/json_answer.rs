//! Answers as JSON.

use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;

use super::chunks::Chunks;
use super::held;

/// An answer as JSON. The unused part of its reservation is released as soon as it is written.
#[derive(Debug)]
pub struct Json<T>(pub T);

impl<T: Serialize> IntoResponse for Json<T> {
    fn into_response(self) -> Response {
        let written = Chunks::of_json(&self.0);
        drop(self);
        let chunks = match written {
            Ok(chunks) => chunks,
            Err(error) => return error.into_response(),
        };
        held::shrink_to(chunks.bytes());
        let mut response = chunks.into_body().into_response();
        let json = HeaderValue::from_static("application/json");
        response.headers_mut().insert(header::CONTENT_TYPE, json);
        response
    }
}
