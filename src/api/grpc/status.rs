//! Converts errors to gRPC statuses.

use axum::http::StatusCode;
use tonic::metadata::{MetadataMap, MetadataValue};
use tonic::{Code, Status};

use crate::api::ApiError;

/// The REST interface's code of an error.
pub const CODE: &str = "x-clip-in-code";
/// The invalid field or item.
pub const PARAM: &str = "x-clip-in-param";

impl From<ApiError> for Status {
    fn from(error: ApiError) -> Self {
        let mut trailers = MetadataMap::new();
        trailers.insert(CODE, MetadataValue::from_static(error.code.name()));
        if let Some(param) = error.param.as_ref().and_then(|param| param.parse().ok()) {
            trailers.insert(PARAM, param);
        }
        if let Some(seconds) = error.retry_after_seconds {
            trailers.insert("retry-after", MetadataValue::from(seconds));
        }
        Self::with_metadata(code(error.status()), error.message, trailers)
    }
}

fn code(status: StatusCode) -> Code {
    match status.as_u16() {
        401 => Code::Unauthenticated,
        403 => Code::PermissionDenied,
        404 => Code::NotFound,
        408 | 504 => Code::DeadlineExceeded,
        409 | 422 => Code::FailedPrecondition,
        429 => Code::ResourceExhausted,
        503 => Code::Unavailable,
        400..=499 => Code::InvalidArgument,
        _ => Code::Internal,
    }
}
