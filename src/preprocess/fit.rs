//! Fits an image of any size to the encoder's size.

use super::{geometry, resize::resize_window, rgb::RgbImage, spec::ImageSpec};

/// Scales `image` and crops or pads it to `spec.width` x `spec.height`. Only the pixels that are kept are computed. They
/// equal those of resizing the whole image and cropping.
#[must_use]
pub fn fit(image: &RgbImage, spec: &ImageSpec) -> RgbImage {
    let plan = geometry::plan(image.width() as usize, image.height() as usize, spec);
    let kept = resize_window(
        image,
        plan.scaled.0,
        plan.scaled.1,
        plan.window,
        spec.interpolation,
    );
    let (width, height) = plan.output;
    if (plan.window.width, plan.window.height) == plan.output {
        return kept;
    }
    let mut pixels = vec![spec.fill_color; width * height * 3];
    let rows = pixels.chunks_exact_mut(width * 3).skip(plan.at.1);
    for (to, from) in rows.zip(kept.pixels().chunks_exact(plan.window.width * 3)) {
        to[plan.at.0 * 3..][..from.len()].copy_from_slice(from);
    }
    RgbImage::from_parts(width, height, pixels)
}
