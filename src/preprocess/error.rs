//! The reasons why an image is refused, for its sender.

use super::image_format::Format;
use crate::error_code::Code;

/// An image that cannot be used. The text is for the sender of the image; [`ImageError::code`] is for programs.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ImageError {
    /// The image has no bytes.
    #[error("the image is empty (0 bytes); send the content of an image file")]
    Empty,
    /// The file is larger than [`super::Limits::max_bytes`].
    #[error(
        "the image file has {bytes} bytes and at most {limit} are accepted; send a smaller file"
    )]
    TooManyBytes {
        /// Size of the file in bytes.
        bytes: usize,
        /// The limit in bytes.
        limit: usize,
    },
    /// The content does not begin like any known image format.
    #[error(
        "the content is not an image in a known format; send JPEG, PNG, WebP, BMP, TIFF or GIF"
    )]
    UnknownFormat,
    /// An image of a format, or with a feature, that is not supported.
    #[error(
        "{what} is not supported; convert the image to JPEG, PNG, WebP, BMP, TIFF or GIF with 8 or 16 bits per channel"
    )]
    UnsupportedFormat {
        /// The format or the feature.
        what: String,
    },
    /// The header announces more pixels than [`super::Limits`] allows.
    #[error(
        "the image is {width}x{height} pixels; at most {max_side} a side and {max_pixels} in all are accepted; \
         scale it down before sending"
    )]
    TooLarge {
        /// Width in the header, in pixels.
        width: u32,
        /// Height in the header, in pixels.
        height: u32,
        /// Maximum side, in pixels.
        max_side: u32,
        /// Maximum area, in pixels.
        max_pixels: u64,
    },
    /// The header announces a width or a height of zero.
    #[error("the {format} image has no pixels ({width}x{height}); send an image of at least 1x1")]
    NoPixels {
        /// The format that was recognised.
        format: Format,
        /// Width in the header, in pixels.
        width: u32,
        /// Height in the header, in pixels.
        height: u32,
    },
    /// Decoding exceeded the time limit. Normal images need a small part of it.
    #[error(
        "the image was not decoded within {seconds} seconds; save it again as JPEG or PNG, or scale it down"
    )]
    TakesTooLong {
        /// The time limit, in seconds.
        seconds: u64,
    },
    /// No request waits for the image any more, so decoding was stopped.
    #[error("the request for the image was cancelled")]
    Abandoned,
    /// Recognised, but cut off or damaged.
    #[error(
        "the {format} image is damaged or incomplete ({reason}); check the file and send it again"
    )]
    Corrupt {
        /// The format that was recognised.
        format: Format,
        /// The decoder's error.
        reason: String,
    },
}

impl ImageError {
    /// A stable name for this kind of error, for programs and metrics.
    #[must_use]
    pub fn code(&self) -> Code {
        match self {
            Self::Empty => Code::ImageEmpty,
            Self::TooManyBytes { .. } => Code::ImageTooManyBytes,
            Self::UnknownFormat => Code::ImageUnknownFormat,
            Self::UnsupportedFormat { .. } => Code::ImageUnsupportedFormat,
            Self::TooLarge { .. } => Code::ImageTooLarge,
            Self::NoPixels { .. } => Code::ImageNoPixels,
            Self::TakesTooLong { .. } => Code::ImageTakesTooLong,
            Self::Abandoned => Code::ImageAbandoned,
            Self::Corrupt { .. } => Code::ImageCorrupt,
        }
    }
}
