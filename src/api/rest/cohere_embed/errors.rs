//! Errors in Cohere's format.

use axum::body::Body;
use axum::http::header;
use axum::response::Response;
use utoipa::IntoResponses;

use crate::api::ApiError;
use crate::api::contract::CohereError;

/// Possible errors of the call.
#[derive(IntoResponses)]
#[expect(dead_code, reason = "describes the answers of error.rs")]
pub(super) enum CohereErrors {
    /// The request is invalid
    #[response(status = 400)]
    BadRequest(CohereError),
    /// No API key, or an unknown one
    #[response(status = 401)]
    Unauthorized(CohereError),
    /// There is no such model
    #[response(status = 404)]
    NotFound(CohereError),
    /// The request took too long
    #[response(status = 408)]
    Timeout(CohereError),
    /// The body, an image, a text or the answer is too large
    #[response(status = 413)]
    TooLarge(CohereError),
    /// The content type is not supported
    #[response(status = 415)]
    UnsupportedMediaType(CohereError),
    /// An image could not be fetched from its URL
    #[response(status = 422)]
    NotFetched(CohereError),
    /// The server, or the API key, has too many requests
    #[response(status = 429, headers(("retry-after" = u64, description = "Seconds")))]
    Overloaded(CohereError),
    /// The server failed
    #[response(status = 500)]
    ServerError(CohereError),
    /// The server is stopping, or its engine is dead
    #[response(status = 503)]
    Unavailable(CohereError),
    /// The request's own timeout has passed
    #[response(status = 504)]
    DeadlineExceeded(CohereError),
}

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
