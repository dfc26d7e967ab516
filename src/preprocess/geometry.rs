//! The scaled size and the part to keep: torchvision's `Resize` and `CenterCrop`, and open_clip's `ResizeKeepRatio` and
//! `CenterCropOrPad`, as numbers.

use super::spec::{CropRounding, ImageSpec, ResizeMode};

/// A rectangle of an image, in pixels from its top left corner.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Window {
    /// First column.
    pub x: usize,
    /// First row.
    pub y: usize,
    /// Columns.
    pub width: usize,
    /// Rows.
    pub height: usize,
}

/// The geometric operations for an image of a given size.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Plan {
    /// Size of the whole image after scaling: width, height.
    pub scaled: (usize, usize),
    /// The part of the scaled image that is kept.
    pub window: Window,
    /// Position of the kept part in the output: column, row. Other than (0, 0) only with padding.
    pub at: (usize, usize),
    /// Size of the output: width, height.
    pub output: (usize, usize),
}

/// Plans the steps from `width` x `height` to the encoder's size.
pub(super) fn plan(width: usize, height: usize, spec: &ImageSpec) -> Plan {
    let output = (spec.width.max(1), spec.height.max(1));
    let scaled = match spec.resize_mode {
        ResizeMode::Squash => output,
        ResizeMode::Shortest if output.0 == output.1 => short_side(width, height, output.0),
        // For inputs that are not square, open_clip does not use torchvision's rule. (It also falls back to bicubic then,
        // whatever the configuration says; the manifest's filter is used here.)
        ResizeMode::Shortest => keep_ratio(width, height, output, f64::min),
        ResizeMode::Longest => keep_ratio(width, height, output, f64::max),
    };
    let (x, left, kept_width) = centre(scaled.0, output.0, spec.crop_rounding);
    let (y, top, kept_height) = centre(scaled.1, output.1, spec.crop_rounding);
    Plan {
        scaled,
        window: Window {
            x,
            y,
            width: kept_width,
            height: kept_height,
        },
        at: (left, top),
        output,
    }
}

/// Where a picture lies in the encoder's input: it is scaled, then shifted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Placement {
    /// Size of the whole picture after scaling, in pixels of the input: width, height.
    pub scaled: (usize, usize),
    /// Column and row of the input at which the scaled picture begins: negative where its beginning is cropped.
    pub at: (isize, isize),
}

/// Where [`super::fit`] puts a picture of `width` x `height` pixels.
#[must_use]
pub fn placement(width: usize, height: usize, spec: &ImageSpec) -> Placement {
    let plan = plan(width, height, spec);
    // Sides are at most 65,535 times 4096.
    let at = |padding: usize, cropped: usize| padding as isize - cropped as isize;
    Placement {
        scaled: plan.scaled,
        at: (at(plan.at.0, plan.window.x), at(plan.at.1, plan.window.y)),
    }
}

/// torchvision's `Resize(size)`: the short side becomes `size`, the long side is rounded down.
fn short_side(width: usize, height: usize, size: usize) -> (usize, usize) {
    if width <= height {
        (size, size * height / width)
    } else {
        (size * width / height, size)
    }
}

/// open_clip's `ResizeKeepRatio`: one ratio for both sides, each rounded half to even. Pillow fails where a side
/// would become 0 pixels (1x1000 into a square of 224); here it becomes 1.
fn keep_ratio(
    width: usize,
    height: usize,
    output: (usize, usize),
    choose: fn(f64, f64) -> f64,
) -> (usize, usize) {
    let ratio = choose(
        width as f64 / output.0 as f64,
        height as f64 / output.1 as f64,
    );
    let side = |length: usize| ((length as f64 / ratio).round_ties_even() as usize).max(1);
    (side(width), side(height))
}

/// One axis of `CenterCropOrPad`: first pixel kept, pixels of padding before it, pixels kept.
fn centre(length: usize, output: usize, rounding: CropRounding) -> (usize, usize, usize) {
    if length < output {
        return (0, (output - length) / 2, length);
    }
    let half = (length - output) / 2;
    let odd = (length - output) % 2;
    let start = match rounding {
        // Python's `round` rounds a half to the even neighbour.
        CropRounding::HalfEven => half + (odd & half & 1),
        CropRounding::Down => half,
    };
    (start, 0, output)
}

#[cfg(test)]
mod tests {
    use super::{CropRounding, centre};

    #[test]
    fn odd_crops_round_as_configured() {
        let offsets =
            |rounding| -> Vec<usize> { (224..=232).map(|n| centre(n, 224, rounding).0).collect() };
        assert_eq!(offsets(CropRounding::HalfEven), [0, 0, 1, 2, 2, 2, 3, 4, 4]);
        assert_eq!(offsets(CropRounding::Down), [0, 0, 1, 1, 2, 2, 3, 3, 4]);
    }

    #[test]
    fn padding_puts_the_odd_pixel_at_the_end() {
        assert_eq!(centre(221, 224, CropRounding::HalfEven), (0, 1, 221));
    }
}
