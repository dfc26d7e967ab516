//! The errors of the API: what was wrong, where, and what to do. Only this module assigns status and code to a cause.

use axum::http::StatusCode;

use super::error_body::ErrorObject;
use crate::bundle::{BundleError, NotInRoot};
use crate::engine::{EmbedError, EngineError, ItemError, LoadError, RegistryError};
use crate::error_code::Code;
use crate::images_by_url::FetchError;
use crate::inspection::InspectionError;
use crate::labelsets::LabelSetError;
use crate::lines::LineError;
use crate::named::StoreError;
use crate::quoted::{cut, shortened};
use crate::references::ReferenceError;
use crate::reviews::ReviewError;

/// An answer that is an error: `{"error": {"type", "code", "message", "param"}}`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApiError {
    /// The kind of error; it determines the HTTP status.
    pub code: Code,
    /// A message for people.
    pub message: String,
    /// The invalid field or item, such as `images[2]`.
    pub param: Option<String>,
    /// Seconds after which a retry makes sense.
    pub retry_after_seconds: Option<u64>,
}

impl ApiError {
    /// An error with a code and a message.
    pub fn new(code: Code, message: impl Into<String>) -> Self {
        Self {
            code,
            message: shortened(message.into()),
            param: None,
            retry_after_seconds: None,
        }
    }

    /// HTTP status.
    pub fn status(&self) -> StatusCode {
        // Every status in the table is valid.
        StatusCode::from_u16(self.code.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
    }

    /// The server has too much work: 429.
    pub fn overloaded(message: impl Into<String>, retry_after_seconds: u64) -> Self {
        let error = Self::new(Code::Overloaded, message);
        Self {
            retry_after_seconds: Some(retry_after_seconds),
            ..error
        }
    }

    /// A request exceeded the server's time limit: 408, on REST and gRPC alike.
    pub fn request_timeout(limit: std::time::Duration) -> Self {
        let message = format!("the request took longer than {} s", limit.as_secs());
        Self::new(Code::RequestTimeout, message)
    }

    /// Names the invalid field or item.
    #[must_use]
    pub fn at(mut self, param: impl Into<String>) -> Self {
        self.param = Some(cut(param.into()));
        self
    }

    /// An embedding that could not be computed; `param_of` gives the name of the item at an index.
    pub fn from_embed(error: EmbedError, param_of: impl FnOnce(usize) -> String) -> Self {
        match error {
            EmbedError::Item { index, error } => Self::from(error).at(param_of(index)),
            EmbedError::Engine(error) => error.into(),
        }
    }

    /// Code, message and field in one text, for protocols with a single error text.
    pub fn sentence(&self) -> String {
        let place = self.param.as_ref().map(|param| format!(" ({param})"));
        let place = place.unwrap_or_default();
        format!("{}: {}{place}", self.code, self.message)
    }

    /// The content of `error`.
    pub fn object(&self) -> ErrorObject {
        ErrorObject {
            r#type: self.code.family(),
            code: self.code,
            message: self.message.clone(),
            param: self.param.clone(),
        }
    }
}

impl From<ItemError> for ApiError {
    fn from(error: ItemError) -> Self {
        let code = match &error {
            ItemError::Image(image) => image.code(),
            ItemError::Base64(_) => Code::InvalidBase64,
            ItemError::UrlNotAllowed => Code::UrlNotAllowed,
            ItemError::TextTooLong { .. } => Code::TextTooLong,
            ItemError::WouldTruncate { .. } => Code::TextWouldBeTruncated,
            ItemError::Pixels { .. } => Code::InvalidPixels,
            ItemError::Tokens(_) => Code::InvalidTokenIds,
            ItemError::Tokenize(_) => Code::TextNotTokenisable,
        };
        Self::new(code, error.to_string())
    }
}

impl From<FetchError> for ApiError {
    fn from(error: FetchError) -> Self {
        Self::new(error.code(), error.to_string())
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
            EngineError::DeadlineExceeded => Self::new(Code::DeadlineExceeded, message),
            EngineError::Stopping => Self::new(Code::Stopping, message),
            EngineError::Dead => Self::new(Code::EngineDead, message),
            EngineError::OutOfMemory(_) => {
                let mut error = Self::new(Code::OutOfMemory, message);
                error.retry_after_seconds = Some(1);
                error
            }
            EngineError::Inference(_) => Self::new(Code::InferenceFailed, message),
        }
    }
}

impl From<LabelSetError> for ApiError {
    fn from(error: LabelSetError) -> Self {
        let message = error.to_string();
        match error {
            LabelSetError::Unknown(_) => Self::new(Code::LabelsetNotFound, message).at("labelset"),
            LabelSetError::BadName(_) => Self::new(Code::InvalidLabelsetName, message).at("name"),
            LabelSetError::Invalid { field, reason } => {
                Self::new(Code::InvalidRequest, reason).at(field)
            }
            LabelSetError::Item { field, error } => Self::from(error).at(field),
            LabelSetError::Engine(error) => error.into(),
            LabelSetError::TooMany(_) | LabelSetError::TooManyBytes { .. } => {
                Self::new(Code::TooManyLabelsets, message)
            }
            LabelSetError::Shared(error) => of_shared(&error),
            LabelSetError::Disk(_) => {
                tracing::error!("{message}");
                Self::new(Code::LabelsetNotStored, message)
            }
        }
    }
}

impl From<ReferenceError> for ApiError {
    fn from(error: ReferenceError) -> Self {
        let message = error.to_string();
        match error {
            ReferenceError::Unknown(_) => {
                Self::new(Code::ReferenceNotFound, message).at("reference")
            }
            ReferenceError::BadName(_) => Self::new(Code::InvalidReferenceName, message).at("name"),
            ReferenceError::NoImages => Self::new(Code::NoReference, message).at("images"),
            ReferenceError::TooManyImages { .. } => {
                Self::new(Code::TooManyItems, message).at("images")
            }
            ReferenceError::Invalid { field, reason } => {
                Self::new(Code::InvalidRequest, reason).at(field)
            }
            ReferenceError::Item { field, error } => Self::from(error).at(field),
            ReferenceError::Shape { field, .. } => {
                Self::new(Code::ImageOfOtherShape, message).at(field)
            }
            ReferenceError::Features(_) => {
                tracing::error!("{message}");
                Self::new(Code::FeaturesUnusable, message)
            }
            ReferenceError::Engine(error) => error.into(),
            ReferenceError::Inspection(error) => error.into(),
            ReferenceError::TooMany(_) | ReferenceError::TooManyBytes { .. } => {
                Self::new(Code::TooManyReferences, message)
            }
            ReferenceError::Shared(error) => of_shared(&error),
            ReferenceError::Disk(_) => {
                tracing::error!("{message}");
                Self::new(Code::ReferenceNotStored, message)
            }
        }
    }
}

/// The database that several servers share fails, or another server was quicker.
fn of_shared(error: &StoreError) -> ApiError {
    let message = match error {
        StoreError::Changed => error.to_string(),
        error => {
            // The message may name hosts: it is for the log.
            tracing::error!("{error}");
            "the shared database fails, the reason is logged; try again".to_owned()
        }
    };
    let mut error = ApiError::new(Code::ReviewsUnavailable, message);
    error.retry_after_seconds = Some(1);
    error
}

impl From<LineError> for ApiError {
    fn from(error: LineError) -> Self {
        let message = error.to_string();
        match error {
            LineError::Unknown(_) => Self::new(Code::LineNotFound, message).at("line"),
            LineError::BadName(_) => Self::new(Code::InvalidLineName, message).at("line"),
            LineError::TooMany(_) => Self::new(Code::TooManyLines, message),
            LineError::Changed(_) => Self::new(Code::LineChanged, message),
            LineError::Invalid { field, reason } => {
                Self::new(Code::InvalidRequest, reason).at(field)
            }
            LineError::FromReview(_) => Self::new(Code::LabelFromReview, message),
            LineError::Unanswered(_) => Self::new(Code::AuditUnanswered, message).at("audited"),
            LineError::TooManyParts(_) => Self::new(Code::TooManyItems, message),
            LineError::Score(_) => {
                tracing::error!("{message}");
                Self::new(Code::InternalError, message)
            }
            LineError::Store(error) => error.into(),
        }
    }
}

impl From<ReviewError> for ApiError {
    fn from(error: ReviewError) -> Self {
        let message = error.to_string();
        match error {
            ReviewError::NoInspection => Self::new(Code::InspectionNotFound, message).at("id"),
            ReviewError::VerdictExists(_) => Self::new(Code::VerdictExists, message),
            ReviewError::NoVerdict => Self::new(Code::NoVerdict, message),
            ReviewError::TooManyPlanted(_) => Self::new(Code::TooManyPlanted, message),
            ReviewError::KeyReused(_) => {
                Self::new(Code::IdempotencyKeyReused, message).at("idempotency-key")
            }
            ReviewError::ImageDeleted => Self::new(Code::ImageDeleted, message),
            ReviewError::Database(_)
            | ReviewError::Unreachable
            | ReviewError::TooManyWait(_)
            | ReviewError::Migration(_)
            | ReviewError::Images(_)
            | ReviewError::Bucket(_)
            | ReviewError::File { .. } => {
                // The message may name hosts and folders: it is for the log.
                tracing::error!("{message}");
                let message = "the database, the disk or the object store of the lines fails, the reason is logged; try again";
                let mut error = Self::new(Code::ReviewsUnavailable, message);
                error.retry_after_seconds = Some(1);
                error
            }
            ReviewError::Content(_) => {
                tracing::error!("{message}");
                Self::new(Code::InternalError, "internal error; the reason is logged")
            }
        }
    }
}

impl From<InspectionError> for ApiError {
    fn from(error: InspectionError) -> Self {
        let message = error.to_string();
        match error {
            InspectionError::NoReference => Self::new(Code::NoReference, message),
            InspectionError::TooMany { .. } => Self::new(Code::TooManyItems, message),
            InspectionError::Mask(_) => Self::new(Code::InvalidRequest, message).at("regions"),
            InspectionError::Length { .. }
            | InspectionError::NotFinite { .. }
            | InspectionError::Shape { .. }
            | InspectionError::Png(_)
            | InspectionError::Range { .. }
            | InspectionError::Numeric(_) => {
                tracing::error!("comparing failed: {message}");
                Self::new(Code::InternalError, message)
            }
        }
    }
}

impl From<RegistryError> for ApiError {
    fn from(error: RegistryError) -> Self {
        let message = error.to_string();
        let code = match error {
            RegistryError::Load(error) => return error.into(),
            RegistryError::Unknown(_) => {
                return Self::new(Code::ModelNotFound, message).at("model");
            }
            RegistryError::Busy => Code::LoadInProgress,
            RegistryError::IsDefault(_) => Code::ModelIsDefault,
            RegistryError::NameIsAlias(_) => Code::ModelNameIsAlias,
            RegistryError::Stopping => return EngineError::Stopping.into(),
            // Only at the start, when there is no client.
            RegistryError::SameName { .. }
            | RegistryError::AliasOfNothing { .. }
            | RegistryError::SameAlias(_)
            | RegistryError::Empty => Code::InternalError,
        };
        Self::new(code, message)
    }
}

impl From<LoadError> for ApiError {
    fn from(error: LoadError) -> Self {
        let code = match error {
            LoadError::Bundle(error) => return error.into(),
            LoadError::NoSuchPrecision { .. } => Code::PrecisionNotInBundle,
            LoadError::Runtime(_) => Code::BundleGraphUnusable,
            LoadError::Thread(_) => {
                let message = error.to_string();
                return Self::new(Code::InternalError, message);
            }
        };
        Self::new(code, error.to_string())
    }
}

impl From<BundleError> for ApiError {
    fn from(error: BundleError) -> Self {
        let code = match error {
            BundleError::NotABundle(_) => Code::BundleNotFound,
            BundleError::Manifest { .. } => Code::BundleManifestInvalid,
            BundleError::Unreadable { .. } => Code::BundleFileUnreadable,
            BundleError::BadReference { .. } => Code::BundleFileNameInvalid,
            BundleError::Checksum { .. } => Code::BundleChecksumMismatch,
            BundleError::Content { .. } => Code::BundleFileInvalid,
            BundleError::Golden { .. } | BundleError::GoldenFeatures { .. } => {
                Code::BundleGoldenMismatch
            }
        };
        Self::new(code, error.to_string())
    }
}

impl From<NotInRoot> for ApiError {
    fn from(error: NotInRoot) -> Self {
        let message = error.to_string();
        match error {
            NotInRoot::Outside(_) => Self::new(Code::PathNotAllowed, message),
            NotInRoot::Missing(_) => Self::new(Code::BundleNotFound, message),
            NotInRoot::Bundle(error) => error.into(),
        }
    }
}
