//! How a TIFF file is refused.

use crate::preprocess::{decode::Format, error::ImageError};

/// It is damaged.
pub(super) fn corrupt(reason: &str) -> ImageError {
    ImageError::Corrupt {
        format: Format::Tiff,
        reason: reason.to_owned(),
    }
}

/// It is whole, and of a kind that is not read.
pub(super) fn unsupported(what: &str) -> ImageError {
    ImageError::UnsupportedFormat {
        what: format!("this kind of TIFF ({what})"),
    }
}
