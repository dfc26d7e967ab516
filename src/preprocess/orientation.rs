//! EXIF orientation: a rotation or reflection of the stored rows.

use super::rgb::RgbImage;

/// The eight values of the EXIF tag 0x0112 (274). Any other value counts as upright.
pub(super) const UPRIGHT: u8 = 1;

/// Turns stored pixels upright.
pub(super) fn apply(image: RgbImage, orientation: u8) -> RgbImage {
    let (width, height) = (image.width() as usize, image.height() as usize);
    let (right, bottom) = (width - 1, height - 1);
    match orientation {
        2 => remap(&image, width, height, |x, y| (right - x, y)),
        3 => remap(&image, width, height, |x, y| (right - x, bottom - y)),
        4 => remap(&image, width, height, |x, y| (x, bottom - y)),
        // From here on rows become columns.
        5 => remap(&image, height, width, |x, y| (y, x)),
        6 => remap(&image, height, width, |x, y| (y, bottom - x)),
        7 => remap(&image, height, width, |x, y| (right - y, bottom - x)),
        8 => remap(&image, height, width, |x, y| (right - y, x)),
        _ => image,
    }
}

/// Builds a `width` x `height` image whose pixel (x, y) is the source's pixel `from(x, y)`.
fn remap(
    image: &RgbImage,
    width: usize,
    height: usize,
    from: impl Fn(usize, usize) -> (usize, usize),
) -> RgbImage {
    let stride = image.width() as usize;
    let mut pixels = Vec::with_capacity(image.pixels().len());
    for y in 0..height {
        for x in 0..width {
            let (source_x, source_y) = from(x, y);
            pixels.extend_from_slice(&image.pixels()[(source_y * stride + source_x) * 3..][..3]);
        }
    }
    RgbImage::from_parts(width, height, pixels)
}
