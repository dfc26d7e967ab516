//! Pillow's `Image.resize` on 8-bit RGB, with exactly the same results.
//!
//! As in Pillow, the filter widens with the reduction; rows are processed first and rounded to 8 bits, then columns; weights
//! are normalised in double precision and then rounded to 22 fractional bits. It is faster than Pillow because only the kept
//! window is computed and the loops are written for vector instructions.

#[cfg(target_arch = "x86_64")]
mod eight_rows;
mod passes;
mod weights;

use self::weights::Weights;
use super::{geometry::Window, rgb::RgbImage, spec::Interpolation};

/// Resizes the whole image to `width` x `height` pixels (0 counts as 1).
#[must_use]
pub fn resize(
    image: &RgbImage,
    width: usize,
    height: usize,
    interpolation: Interpolation,
) -> RgbImage {
    let (width, height) = (width.max(1), height.max(1));
    resize_window(
        image,
        width,
        height,
        Window {
            x: 0,
            y: 0,
            width,
            height,
        },
        interpolation,
    )
}

/// The pixels of [`resize`] to `width` x `height` followed by a crop to `window`, at the cost of the window alone. A window
/// that extends beyond the resized image is clipped; at least one pixel is returned.
#[must_use]
pub fn resize_window(
    image: &RgbImage,
    width: usize,
    height: usize,
    window: Window,
    interpolation: Interpolation,
) -> RgbImage {
    let (width, height) = (width.max(1), height.max(1));
    let (x, columns) = clip(window.x, window.width, width);
    let (y, rows) = clip(window.y, window.height, height);
    let (from_width, from_height) = (image.width() as usize, image.height() as usize);

    // Pillow skips a pass that changes nothing. With weights of 1 the result would be the same, but slower.
    let vertical =
        (height != from_height).then(|| Weights::new(from_height, height, y, rows, interpolation));
    let (first_row, used_rows) = vertical.as_ref().map_or((y, rows), Weights::span);

    let used = &image.pixels()[first_row * from_width * 3..][..used_rows * from_width * 3];
    let narrowed = if width == from_width {
        passes::crop_columns(used, from_width, x, columns)
    } else {
        passes::horizontal(
            used,
            from_width,
            &Weights::new(from_width, width, x, columns, interpolation),
        )
    };
    let pixels = match vertical {
        None => narrowed,
        Some(weights) => passes::vertical(&narrowed, columns * 3, first_row, &weights),
    };
    RgbImage::from_parts(columns, rows, pixels)
}

/// Clips the range `start .. start + length` to `0 .. size`; returns its start and a length of at least 1.
fn clip(start: usize, length: usize, size: usize) -> (usize, usize) {
    let start = start.min(size - 1);
    (start, length.clamp(1, size - start))
}
