//! Why an image was refused, for the person who sent it.

use super::image_format::Format;
use crate::error_code::Code;

/// An image that cannot be used. The text is meant for the person who sent the image; [`ImageError::code`] is meant
/// for programs.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ImageError {
    /// No bytes at all.
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
    /// The content begins like no image format that is known here.
    #[error(
        "the content is not an image in a known format; send JPEG, PNG, WebP, BMP, TIFF or GIF"
    )]
    UnknownFormat,
    /// An image, but of a format or a kind of a format that is not decoded here.
    #[error(
        "{what} is not supported; convert the image to JPEG, PNG, WebP, BMP, TIFF or GIF with 8 or 16 bits a channel"
    )]
    UnsupportedFormat {
        /// The format or the feature of it.
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
        /// The longest side that is accepted, in pixels.
        max_side: u32,
        /// The largest area that is accepted, in pixels.
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
    /// Decoding it was not done in time. Images that are what they seem to be take a small part of it.
    #[error(
        "the image was not decoded within {seconds} seconds; save it again as JPEG or PNG, or scale it down"
    )]
    TakesTooLong {
        /// The time, in seconds.
        seconds: u64,
    },
    /// Nobody waits for the image any more: decoding it was ended.
    #[error("nobody waits for the image any more")]
    Abandoned,
    /// Recognised, but cut off or damaged.
    #[error(
        "the {format} image is damaged or incomplete ({reason}); check the file and send it again"
    )]
    Corrupt {
        /// The format that was recognised.
        format: Format,
        /// What the decoder objected to.
        reason: String,
    },
}

impl ImageError {
    /// A stable name for this kind of refusal, for programs and for metrics.
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
