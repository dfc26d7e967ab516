//! Limits of an image, checked against its header before a pixel is decoded.

use super::{error::ImageError, image_format::Format};

/// Limits for one image. A few bytes can declare gigabytes of pixels, so all three are checked before memory for pixels is
/// allocated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Largest encoded file, in bytes.
    pub max_bytes: usize,
    /// Maximum area, width times height, in pixels. Decoding takes 3 to 9 bytes per pixel, depending on the format.
    pub max_pixels: u64,
    /// Longest side, in pixels.
    pub max_side: u32,
}

impl Default for Limits {
    /// 20 MiB, 50 megapixels, 16384 pixels per side.
    fn default() -> Self {
        Self {
            max_bytes: 20 << 20,
            max_pixels: 50_000_000,
            max_side: 16_384,
        }
    }
}

impl Limits {
    /// Refuses a file that is empty or too long.
    pub(super) fn check_bytes(&self, bytes: &[u8]) -> Result<(), ImageError> {
        match bytes.len() {
            0 => Err(ImageError::Empty),
            n if n > self.max_bytes => Err(ImageError::TooManyBytes {
                bytes: n,
                limit: self.max_bytes,
            }),
            _ => Ok(()),
        }
    }

    /// Refuses dimensions, read from a header, that are zero or too large.
    pub(super) fn check_size(
        &self,
        format: Format,
        width: u32,
        height: u32,
    ) -> Result<(), ImageError> {
        if width == 0 || height == 0 {
            return Err(ImageError::NoPixels {
                format,
                width,
                height,
            });
        }
        if width.max(height) > self.max_side
            || u64::from(width) * u64::from(height) > self.max_pixels
        {
            return Err(ImageError::TooLarge {
                width,
                height,
                max_side: self.max_side,
                max_pixels: self.max_pixels,
            });
        }
        Ok(())
    }
}
