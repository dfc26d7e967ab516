//! The pixel format between decoding and the tensor.

/// An 8-bit RGB image: rows from top to bottom, three bytes per pixel, no padding. It is never empty and always has `width *
/// height * 3` bytes, so later code can index without checks that can fail.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RgbImage {
    width: u32,
    height: u32,
    pixels: Vec<u8>,
}

impl RgbImage {
    /// Wraps `pixels`; `None` unless both sides are at least 1 and the length is `width * height * 3`.
    #[must_use]
    pub fn new(width: u32, height: u32, pixels: Vec<u8>) -> Option<Self> {
        let bytes = (width as usize)
            .checked_mul(height as usize)?
            .checked_mul(3)?;
        (bytes > 0 && pixels.len() == bytes).then_some(Self {
            width,
            height,
            pixels,
        })
    }

    /// For callers inside the module that have computed a buffer of the correct length.
    pub(super) fn from_parts(width: usize, height: usize, pixels: Vec<u8>) -> Self {
        debug_assert!(width > 0 && height > 0 && pixels.len() == width * height * 3);
        Self {
            width: width as u32,
            height: height as u32,
            pixels,
        }
    }

    /// Width in pixels, at least 1.
    #[must_use]
    pub fn width(&self) -> u32 {
        self.width
    }

    /// Height in pixels, at least 1.
    #[must_use]
    pub fn height(&self) -> u32 {
        self.height
    }

    /// Red, green, blue of each pixel, row by row.
    #[must_use]
    pub fn pixels(&self) -> &[u8] {
        &self.pixels
    }

    /// Returns the pixel buffer.
    #[must_use]
    pub fn into_pixels(self) -> Vec<u8> {
        self.pixels
    }
}
