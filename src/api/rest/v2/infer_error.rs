//! Errors in the format of the Open Inference Protocol.

use axum::body::Body;
use axum::http::header;
use axum::response::Response;
use serde::Serialize;
use utoipa::ToSchema;

use crate::api::ApiError;

/// Converts an error to the protocol's format: one sentence under `error`. Status and headers stay.
pub fn respond_with(error: &ApiError, response: Response) -> Response {
    let error = error.sentence();
    let body = serde_json::json!(InferError { error }).to_string();
    let (mut parts, _) = response.into_parts();
    parts.headers.remove(header::CONTENT_LENGTH);
    Response::from_parts(parts, Body::from(body))
}

/// An error in the protocol's format.
#[derive(Debug, Serialize, ToSchema)]
pub struct InferError {
    /// The code, what was wrong, and where.
    error: String,
}
