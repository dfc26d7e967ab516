//! Errors in Cohere's format.

use axum::body::Body;
use axum::http::header;
use axum::response::Response;

use crate::api::ApiError;
use crate::api::contract::CohereError;

/// Converts an error to Cohere's format. Status and headers stay.
pub fn respond_with(error: &ApiError, response: Response) -> Response {
    let body = CohereError {
        message: error.sentence(),
        error: error.object(),
    };
    let (mut parts, _) = response.into_parts();
    parts.headers.remove(header::CONTENT_LENGTH);
    Response::from_parts(parts, Body::from(serde_json::json!(body).to_string()))
}
