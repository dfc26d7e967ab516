//! One error of the API: what was wrong, where, and what to do. Here alone a cause gets its status and code.

use axum::Json;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};

use super::error_body::{ErrorBody, ErrorObject};
use crate::bundle::{BundleError, NotInRoot};
use crate::engine::{EmbedError, EngineError, ItemError, LoadError, RegistryError};
use crate::images_by_url::FetchError;
use crate::labelsets::LabelSetError;
use crate::quoted::{cut, shortened};

/// An answer that is an error: `{"error": {"type", "code", "message", "param"}}`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApiError {
    /// HTTP status.
    pub status: StatusCode,
    /// Stable, one a cause.
    pub code: &'static str,
    /// For the reader.
    pub message: String,
    /// The field or item at fault, such as `images[2]`.
    pub param: Option<String>,
    /// When trying again makes sense.
    pub retry_after_seconds: Option<u64>,
}

impl ApiError {
    /// An error with a status, a code and a sentence.
    pub fn new(status: StatusCode, code: &'static str, message: impl Into<String>) -> Self {
        Self {
            status,
            code,
            message: shortened(message.into()),
            param: None,
            retry_after_seconds: None,
        }
    }

    /// A request that cannot be right: 400.
    pub fn bad_request(code: &'static str, message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, code, message)
    }

    /// The server has as much to do as it may: 429.
    pub fn overloaded(message: impl Into<String>, retry_after_seconds: u64) -> Self {
        let error = Self::new(StatusCode::TOO_MANY_REQUESTS, "overloaded", message);
        Self {
            retry_after_seconds: Some(retry_after_seconds),
            ..error
        }
    }

    /// A request that took longer than the server gives one: 408, on REST and gRPC alike.
    pub fn request_timeout(limit: std::time::Duration) -> Self {
        let message = format!("the request took longer than {} s", limit.as_secs());
        Self::new(StatusCode::REQUEST_TIMEOUT, "request_timeout", message)
    }

    /// Names the field or item at fault.
    #[must_use]
    pub fn at(mut self, param: impl Into<String>) -> Self {
        self.param = Some(cut(param.into()));
        self
    }

    /// An embedding that could not be computed; `param_of` names the item by its position.
    pub fn from_embed(error: EmbedError, param_of: impl FnOnce(usize) -> String) -> Self {
        match error {
            EmbedError::Item { index, error } => Self::from(error).at(param_of(index)),
            EmbedError::Engine(error) => error.into(),
        }
    }

    /// The code, what was wrong, and where, for protocols that have one text for all of it.
    pub fn sentence(&self) -> String {
        let place = self.param.as_ref().map(|param| format!(" ({param})"));
        let place = place.unwrap_or_default();
        format!("{}: {}{place}", self.code, self.message)
    }

    /// As it stands under `error`.
    pub fn object(&self) -> ErrorObject {
        ErrorObject {
            r#type: self.family(),
            code: self.code,
            message: self.message.clone(),
            param: self.param.clone(),
        }
    }

    /// OpenAI's `type` field: the family that a client acts on.
    fn family(&self) -> &'static str {
        match self.status.as_u16() {
            429 => "overloaded_error",
            408 | 504 => "timeout_error",
            400..=499 => "invalid_request_error",
            _ => "server_error",
        }
    }
}

impl From<ItemError> for ApiError {
    fn from(error: ItemError) -> Self {
        let (status, code) = match &error {
            ItemError::Image(image) => {
                let too_large = matches!(
                    image.code(),
                    "image_too_large" | "image_too_many_bytes" | "image_takes_too_long"
                );
                (
                    if too_large {
                        StatusCode::PAYLOAD_TOO_LARGE
                    } else {
                        StatusCode::BAD_REQUEST
                    },
                    image.code(),
                )
            }
            ItemError::Base64(_) => (StatusCode::BAD_REQUEST, "invalid_base64"),
            ItemError::UrlNotAllowed => (StatusCode::BAD_REQUEST, "url_not_allowed"),
            ItemError::TextTooLong { .. } => (StatusCode::PAYLOAD_TOO_LARGE, "text_too_long"),
            ItemError::WouldTruncate { .. } => (StatusCode::BAD_REQUEST, "text_would_be_truncated"),
            ItemError::Pixels { .. } => (StatusCode::BAD_REQUEST, "invalid_pixels"),
            ItemError::Tokens(_) => (StatusCode::BAD_REQUEST, "invalid_token_ids"),
            ItemError::Tokenize(_) => (StatusCode::BAD_REQUEST, "text_not_tokenisable"),
        };
        Self::new(status, code, error.to_string())
    }
}

/// A failed fetch is the fault of the item that named the URL: never a 5xx.
impl From<FetchError> for ApiError {
    fn from(error: FetchError) -> Self {
        let status = match error {
            FetchError::Invalid(_) | FetchError::NotAllowed(_) => StatusCode::BAD_REQUEST,
            FetchError::Failed(_) | FetchError::TimedOut(_) => StatusCode::UNPROCESSABLE_ENTITY,
            FetchError::TooManyBytes(_) => StatusCode::PAYLOAD_TOO_LARGE,
        };
        Self::new(status, error.code(), error.to_string())
    }
}

impl From<EngineError> for ApiError {
    fn from(error: EngineError) -> Self {
        let message = error.to_string();
        match error {
            EngineError::Overloaded {
                retry_after_seconds,
                ..
            } => Self::overloaded(message, retry_after_seconds),
            EngineError::DeadlineExceeded => {
                Self::new(StatusCode::GATEWAY_TIMEOUT, "deadline_exceeded", message)
            }
            EngineError::Stopping => {
                Self::new(StatusCode::SERVICE_UNAVAILABLE, "stopping", message)
            }
            EngineError::Dead => Self::new(StatusCode::SERVICE_UNAVAILABLE, "engine_dead", message),
            EngineError::OutOfMemory(_) => {
                let mut error =
                    Self::new(StatusCode::SERVICE_UNAVAILABLE, "out_of_memory", message);
                error.retry_after_seconds = Some(1);
                error
            }
            EngineError::Inference(_) => Self::new(
                StatusCode::INTERNAL_SERVER_ERROR,
                "inference_failed",
                message,
            ),
        }
    }
}

impl From<LabelSetError> for ApiError {
    fn from(error: LabelSetError) -> Self {
        let message = error.to_string();
        match error {
            LabelSetError::Unknown(_) => {
                Self::new(StatusCode::NOT_FOUND, "labelset_not_found", message).at("labelset")
            }
            LabelSetError::BadName(_) => {
                Self::bad_request("invalid_labelset_name", message).at("name")
            }
            LabelSetError::Invalid { field, reason } => {
                Self::bad_request("invalid_request", reason).at(field)
            }
            LabelSetError::Item { field, error } => Self::from(error).at(field),
            LabelSetError::Engine(error) => error.into(),
            LabelSetError::TooMany | LabelSetError::TooManyBytes(_) => {
                Self::new(StatusCode::CONFLICT, "too_many_labelsets", message)
            }
            LabelSetError::Disk(_) => {
                tracing::error!("{message}");
                let status = StatusCode::INTERNAL_SERVER_ERROR;
                Self::new(status, "labelset_not_stored", message)
            }
        }
    }
}

impl From<RegistryError> for ApiError {
    fn from(error: RegistryError) -> Self {
        let message = error.to_string();
        let (status, code) = match error {
            RegistryError::Load(error) => return error.into(),
            RegistryError::Unknown(_) => {
                return Self::new(StatusCode::NOT_FOUND, "model_not_found", message).at("model");
            }
            RegistryError::Busy => (StatusCode::CONFLICT, "load_in_progress"),
            RegistryError::IsDefault(_) => (StatusCode::CONFLICT, "model_is_default"),
            RegistryError::NameIsAlias(_) => (StatusCode::CONFLICT, "model_name_is_alias"),
            RegistryError::Stopping => return EngineError::Stopping.into(),
            // Only at the start, where there is no client.
            RegistryError::SameName { .. }
            | RegistryError::AliasOfNothing { .. }
            | RegistryError::SameAlias(_)
            | RegistryError::Empty => (StatusCode::INTERNAL_SERVER_ERROR, "internal_error"),
        };
        Self::new(status, code, message)
    }
}

impl From<LoadError> for ApiError {
    fn from(error: LoadError) -> Self {
        let code = match error {
            LoadError::Bundle(error) => return error.into(),
            LoadError::NoSuchPrecision { .. } => "precision_not_in_bundle",
            LoadError::Runtime(_) => "bundle_graph_unusable",
            LoadError::Thread(_) => {
                let message = error.to_string();
                return Self::new(StatusCode::INTERNAL_SERVER_ERROR, "internal_error", message);
            }
        };
        Self::new(StatusCode::UNPROCESSABLE_ENTITY, code, error.to_string())
    }
}

impl From<BundleError> for ApiError {
    fn from(error: BundleError) -> Self {
        let code = match error {
            BundleError::NotABundle(_) => "bundle_not_found",
            BundleError::Manifest { .. } => "bundle_manifest_invalid",
            BundleError::Unreadable { .. } => "bundle_file_unreadable",
            BundleError::BadReference { .. } => "bundle_file_name_invalid",
            BundleError::Checksum { .. } => "bundle_checksum_mismatch",
            BundleError::Content { .. } => "bundle_file_invalid",
            BundleError::Golden { .. } => "bundle_golden_mismatch",
        };
        let status = match error {
            BundleError::NotABundle(_) => StatusCode::NOT_FOUND,
            _ => StatusCode::UNPROCESSABLE_ENTITY,
        };
        Self::new(status, code, error.to_string())
    }
}

impl From<NotInRoot> for ApiError {
    fn from(error: NotInRoot) -> Self {
        let message = error.to_string();
        match error {
            NotInRoot::Outside(_) => Self::bad_request("path_not_allowed", message),
            NotInRoot::Missing(_) => Self::new(StatusCode::NOT_FOUND, "bundle_not_found", message),
            NotInRoot::Bundle(error) => error.into(),
        }
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let body = ErrorBody {
            error: self.object(),
        };
        let mut response = (self.status, Json(body)).into_response();
        if let Some(seconds) = self.retry_after_seconds {
            response
                .headers_mut()
                .insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        if self.status == StatusCode::UNAUTHORIZED {
            response
                .headers_mut()
                .insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        // For the metrics, and for protocols that spell errors in another way.
        response.extensions_mut().insert(self);
        response
    }
}
