//! From the bytes of an image file to the input tensor of an image encoder.
//!
//! ```text
//! bytes → format (by content) → header and limits → pixels → RGB → resize and crop → tensor
//! ```
//!
//! The reference is the preprocessing in training: Pillow's `convert("RGB")` and `resize`, with torchvision's and
//! open_clip's geometry. The resize agrees with Pillow exactly. Where decoding differs, the decoding module documents it.

mod announced;
mod covered;
mod decode;
mod error;
mod fit;
mod geometry;
mod image_format;
mod limits;
mod options;
mod orientation;
mod resize;
mod rgb;
mod spec;
mod stop;
mod tensor;

pub use announced::{HEADER_BYTES, announced_pixels};
pub use covered::Coverable;
pub use decode::{Format, Picture, decode, decode_for, decode_whole};
pub use error::ImageError;
pub use fit::fit;
pub use geometry::{Placement, Window, placement};
pub use limits::Limits;
pub use options::{Alpha, ImageOptions, ValueBits};
pub use resize::{resize, resize_window};
pub use rgb::RgbImage;
pub use spec::{CropRounding, ImageSpec, InputLayout, Interpolation, ResizeMode};
pub use stop::Stop;
pub use tensor::Pixels;

/// Converts one encoded image to one item of the encoder's input.
///
/// # Errors
/// The errors of [`decode`]; the later steps cannot fail.
pub fn preprocess(bytes: &[u8], limits: &Limits, spec: &ImageSpec) -> Result<Pixels, ImageError> {
    let options = ImageOptions::default();
    let picture = decode_for(bytes, limits, spec, options, &Stop::never())?;
    Ok(to_input(&picture.image, spec))
}

/// The second half of [`preprocess`]: resizes and crops a decoded image and lays it out for the encoder.
#[must_use]
pub fn to_input(image: &RgbImage, spec: &ImageSpec) -> Pixels {
    tensor::to_pixels(fit(image, spec), spec)
}
