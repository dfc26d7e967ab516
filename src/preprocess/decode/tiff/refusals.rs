//! Errors about a TIFF file.

use crate::preprocess::{decode::Format, error::ImageError};

/// The file is damaged.
pub(super) fn corrupt(reason: &str) -> ImageError {
    ImageError::Corrupt {
        format: Format::Tiff,
        reason: reason.to_owned(),
    }
}

/// The file is valid, but of an unsupported kind.
pub(super) fn unsupported(what: &str) -> ImageError {
    ImageError::UnsupportedFormat {
        what: format!("this kind of TIFF ({what})"),
    }
}
