//! An encoder's input with a part of it covered: what an image is without that part.

use super::geometry::Window;
use super::spec::{ImageSpec, InputLayout};
use super::tensor::Pixels;

/// An encoder's input, and the colour that covers its parts: the median of each channel, so that a cover looks like ground.
#[derive(Debug, Clone)]
pub struct Coverable {
    pixels: Pixels,
    width: usize,
    colour: [f32; 3],
}

impl Coverable {
    /// Of an input as [`super::to_input`] makes it for this encoder.
    #[must_use]
    pub fn new(pixels: Pixels, spec: &ImageSpec) -> Self {
        debug_assert!(matches!(
            (&pixels, spec.layout),
            (Pixels::U8(_), InputLayout::NhwcUint8) | (Pixels::F32(_), InputLayout::NchwFloat32)
        ));
        let colour = std::array::from_fn(|channel| match &pixels {
            Pixels::U8(values) => median(
                values
                    .iter()
                    .skip(channel)
                    .step_by(3)
                    .map(|v| f32::from(*v)),
            ),
            Pixels::F32(values) => {
                let plane = values.len() / 3;
                median(values.iter().skip(channel * plane).take(plane).copied())
            }
        });
        Self {
            pixels,
            width: spec.width.max(1),
            colour,
        }
    }

    /// The input as it is.
    #[must_use]
    pub fn pixels(&self) -> &Pixels {
        &self.pixels
    }

    /// The input with a window covered. What lies outside of the input is left out.
    #[must_use]
    pub fn covered(&self, window: Window) -> Pixels {
        let (from, until) = (
            window.x.min(self.width),
            (window.x + window.width).min(self.width),
        );
        let rows = window.y..window.y + window.height;
        let mut pixels = self.pixels.clone();
        match &mut pixels {
            Pixels::U8(values) => {
                let colour = self.colour.map(|value| value as u8);
                for (row, line) in values.chunks_exact_mut(self.width * 3).enumerate() {
                    if rows.contains(&row) {
                        for pixel in line[from * 3..until * 3].chunks_exact_mut(3) {
                            pixel.copy_from_slice(&colour);
                        }
                    }
                }
            }
            Pixels::F32(values) => {
                let plane = (values.len() / 3).max(1);
                for (plane, colour) in values.chunks_exact_mut(plane).zip(self.colour) {
                    for (row, line) in plane.chunks_exact_mut(self.width).enumerate() {
                        if rows.contains(&row) {
                            line[from..until].fill(colour);
                        }
                    }
                }
            }
        }
        pixels
    }
}

/// The middle value; of an even number of values the upper one of two. 0 without values.
fn median(values: impl Iterator<Item = f32>) -> f32 {
    let mut values: Vec<_> = values.collect();
    let middle = values.len() / 2;
    if middle >= values.len() {
        return 0.0;
    }
    *values.select_nth_unstable_by(middle, f32::total_cmp).1
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::preprocess::{CropRounding, Interpolation, ResizeMode};

    fn spec(layout: InputLayout) -> ImageSpec {
        ImageSpec {
            height: 3,
            width: 4,
            mean: [0.0; 3],
            std: [1.0; 3],
            resize_mode: ResizeMode::Squash,
            interpolation: Interpolation::Bicubic,
            crop_rounding: CropRounding::HalfEven,
            fill_color: 0,
            exif_orientation: false,
            layout,
        }
    }

    const WINDOW: Window = Window {
        x: 2,
        y: 1,
        width: 9,
        height: 1,
    };

    #[test]
    fn a_window_has_the_median_colour_in_both_layouts() {
        // Red counts up, green is 7 but for one pixel, blue is 1.
        let pixel = |i: usize| [i as u8, if i == 6 { 200 } else { 7 }, 1];
        let bytes: Vec<u8> = (0..12).flat_map(pixel).collect();
        let floats: Vec<f32> = (0..3)
            .flat_map(|channel| (0..12).map(move |i| f32::from(pixel(i)[channel])))
            .collect();
        let eight = Coverable::new(Pixels::U8(bytes), &spec(InputLayout::NhwcUint8));
        let planes = Coverable::new(Pixels::F32(floats), &spec(InputLayout::NchwFloat32));
        let (Pixels::U8(eight), Pixels::F32(planes)) =
            (eight.covered(WINDOW), planes.covered(WINDOW))
        else {
            panic!("a cover keeps the layout");
        };
        for i in 0..12 {
            let expected = if i == 6 || i == 7 {
                [6, 7, 1]
            } else {
                pixel(i)
            };
            assert_eq!(eight[i * 3..][..3], expected, "{i}");
            for channel in 0..3 {
                assert_eq!(planes[channel * 12 + i], f32::from(expected[channel]));
            }
        }
    }
}
