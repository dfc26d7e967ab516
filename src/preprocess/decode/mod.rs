//! Decodes the bytes of a file to RGB pixels.
//!
//! Order of the checks: length, format by content, header, limits; pixels are decoded only after these.
//!
//! Differences from Pillow's `open(…).convert("RGB")`:
//! - JPEG: the inverse transform and the upsampling of colour round differently from libjpeg, by 0 or 1 levels without
//!   subsampling and up to 5 with it (mean 0.7); more on the last row of some sizes and in images under 4 pixels wide.
//! - JPEG with arithmetic coding, of 12 bits, lossless or hierarchical, is refused as unsupported.
//! - 16 bits per channel: the high byte is used. Pillow does so for colour, but clips single-channel 16-bit images at
//!   255, which turns nearly all of such an image white.
//! - A damaged stream is refused, where libjpeg guesses and warns.
//! - TIFF: the table in `tiff` lists what is supported.
//!
//! Decoding ends after [`Stop`]'s ten seconds, or sooner if no request waits for the image. TIFF and PNG check this at each
//! strip and row, the other formats at every 16 KiB of the file; JPEG before and after (fifty megapixels in a hundred scans
//! take two seconds).
//!
//! Peak memory in bytes per pixel, measured at 6 to 36 megapixels: PNG, TIFF and JPEG 3 (with 16 bits too), progressive JPEG
//! 5 with 4:2:0 and more without, lossless WebP 4, lossy WebP 4.6. TIFF needs one strip of JPEG in addition.

mod alpha;
mod bmp;
mod colour;
mod format;
mod gif;
mod guard;
mod jpeg;
mod jpeg_layout;
mod jpeg_unusual;
mod paced;
mod png;
mod raster;
#[cfg(feature = "dct-scaling")]
mod reduced_jpeg;
mod sixteen_bits;
mod tiff;
mod webp;

pub use super::image_format::Format;
use super::{
    Alpha, ImageOptions, ValueBits,
    error::ImageError,
    limits::Limits,
    orientation,
    rgb::RgbImage,
    spec::ImageSpec,
    stop::{MOST_TIME, Stop},
};

/// Maximum memory of a decoder besides the pixels, in bytes: tables, windows, metadata.
const WORKING_MEMORY: usize = 32 << 20;

/// The result of a decoder: pixels as stored, and the orientation from the file.
struct Decoded {
    image: RgbImage,
    /// EXIF's numbering, 1 to 8.
    orientation: u8,
    /// See [`Picture::in_low_bits`].
    in_low_bits: bool,
}

/// An image, and notes for its sender.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Picture {
    /// The pixels.
    pub image: RgbImage,
    /// All values of a 16-bit image are below an eighth of the range, and nothing says how many bits are used: most likely
    /// they come from a camera with fewer bits, and the picture is far too dark.
    pub in_low_bits: bool,
}

/// The options for reading a file: [`ImageOptions`] with all defaults resolved.
#[derive(Debug, Clone, Copy)]
struct Reading {
    value_bits: Option<ValueBits>,
    exif_orientation: bool,
    alpha: Alpha,
}

impl Reading {
    fn new(options: ImageOptions, exif_orientation: bool) -> Self {
        Self {
            value_bits: options.value_bits,
            exif_orientation: options.exif_orientation.unwrap_or(exif_orientation),
            alpha: options.alpha.unwrap_or_default(),
        }
    }
}

/// Decodes an image file of any supported format (JPEG, PNG, WebP, BMP, TIFF, GIF; of several frames the first).
/// Alpha is dropped, grey becomes three equal channels, palettes and CMYK are resolved.
///
/// With `exif_orientation` the image is turned according to its EXIF data. TIFF is always turned: there the tag describes
/// the order of rows, and Pillow, which otherwise ignores orientation, follows it.
///
/// # Errors
/// [`ImageError`] with the reason: limits, an unknown or unsupported format, or damage.
pub fn decode(
    bytes: &[u8],
    limits: &Limits,
    exif_orientation: bool,
) -> Result<RgbImage, ImageError> {
    let reading = Reading::new(ImageOptions::default(), exif_orientation);
    let picture = decode_with(bytes, limits, reading, None, &Stop::never())?;
    Ok(picture.image)
}

/// Like [`decode`], for an image that will become an encoder's input. With the feature `dct-scaling` a large JPEG may be
/// decoded at a smaller, but sufficient size. Options that `options` leaves open are those of `spec`. `stop` is checked
/// during decoding.
///
/// # Errors
/// As [`decode`].
pub fn decode_for(
    bytes: &[u8],
    limits: &Limits,
    spec: &ImageSpec,
    options: ImageOptions,
    stop: &Stop,
) -> Result<Picture, ImageError> {
    let reading = Reading::new(options, spec.exif_orientation);
    decode_with(bytes, limits, reading, Some(spec), stop)
}

/// Like [`decode_for`], for an image that is needed at its full size: no decoder makes it smaller. `exif_orientation` is used
/// where `options` leaves it open.
///
/// # Errors
/// As [`decode`].
pub fn decode_whole(
    bytes: &[u8],
    limits: &Limits,
    exif_orientation: bool,
    options: ImageOptions,
    stop: &Stop,
) -> Result<Picture, ImageError> {
    let reading = Reading::new(options, exif_orientation);
    decode_with(bytes, limits, reading, None, stop)
}

fn decode_with(
    bytes: &[u8],
    limits: &Limits,
    reading: Reading,
    spec: Option<&ImageSpec>,
    stop: &Stop,
) -> Result<Picture, ImageError> {
    limits.check_bytes(bytes)?;
    let stop = &stop.within(MOST_TIME);
    stop.check()?;
    let format = Format::of(bytes)?;
    let turn = reading.exif_orientation || format == Format::Tiff;
    let decoded = guard::guarded(|| match format {
        Format::Jpeg => decode_jpeg(bytes, limits, spec),
        Format::Png => png::decode(bytes, limits, reading, stop),
        Format::Tiff => tiff::decode(bytes, limits, reading, stop),
        Format::Gif => gif::decode(bytes, limits, reading.alpha, stop),
        _ => raster::decode(bytes, format, limits, reading, stop),
    });
    // A decoder that was stopped reports a damaged file.
    stop.check()?;
    let decoded = decoded.unwrap_or_else(|| {
        Err(ImageError::Corrupt {
            format,
            reason: "the decoder stopped".to_owned(),
        })
    })?;
    Ok(Picture {
        image: if turn {
            orientation::apply(decoded.image, decoded.orientation)
        } else {
            decoded.image
        },
        in_low_bits: decoded.in_low_bits,
    })
}

fn decode_jpeg(
    bytes: &[u8],
    limits: &Limits,
    spec: Option<&ImageSpec>,
) -> Result<Decoded, ImageError> {
    #[cfg(feature = "dct-scaling")]
    if let Some(spec) = spec
        && let Some(decoded) = reduced_jpeg::decode(bytes, limits, spec)?
    {
        return Ok(decoded);
    }
    #[cfg(not(feature = "dct-scaling"))]
    let _ = spec;
    jpeg::decode(bytes, limits)
}
