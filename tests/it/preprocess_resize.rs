//! The resize against Pillow, byte for byte, and properties for any image.

use clip_in::preprocess::{
    CropRounding, ImageSpec, InputLayout, Interpolation, ResizeMode, RgbImage, Window, fit, resize,
    resize_window,
};
use proptest::prelude::*;
use serde::Deserialize;

#[derive(Deserialize)]
struct Fixture {
    cases: Vec<(u32, u32, u32, usize, usize, usize, u32)>,
}

const FILTERS: [Interpolation; 2] = [Interpolation::Bicubic, Interpolation::Bilinear];

/// The same images as `pixels` in `fixtures/pillow_resize.py`.
fn drawn(seed: u32, width: u32, height: u32) -> RgbImage {
    let mut state = seed;
    let mut pixels = Vec::with_capacity((width * height * 3) as usize);
    for y in 0..height {
        for x in 0..width {
            for channel in 0..3 {
                state ^= state << 13;
                state ^= state >> 17;
                state ^= state << 5;
                let noise = state >> 24;
                pixels.push(match seed % 3 {
                    0 => noise,
                    1 => (x * 3 + y * 5 + channel * 40 + (noise >> 4)) & 255,
                    _ => 255 * ((x / 3 + y / 2 + channel) & 1),
                } as u8);
            }
        }
    }
    RgbImage::new(width, height, pixels).unwrap()
}

#[test]
fn every_byte_equals_pillows() {
    let fixture: Fixture =
        serde_json::from_str(include_str!("../fixtures/pillow_resize.json")).unwrap();
    assert!(fixture.cases.len() >= 2_000);
    let differing: Vec<_> = fixture
        .cases
        .iter()
        .filter(
            |&&(seed, width, height, new_width, new_height, filter, crc)| {
                let image = drawn(seed, width, height);
                let result = resize(&image, new_width, new_height, FILTERS[filter]);
                crc32fast::hash(result.pixels()) != crc
            },
        )
        .collect();
    assert!(
        differing.is_empty(),
        "{} of {} differ, the first: {:?}",
        differing.len(),
        fixture.cases.len(),
        differing[0]
    );
}

#[derive(Deserialize)]
struct Fits {
    cases: Vec<Fit>,
}

/// Seed, size of the image, size of the input, mode, filter, fill, checksum.
#[derive(Debug, Deserialize)]
struct Fit(u32, (u32, u32), (usize, usize), usize, usize, u8, u32);

#[test]
fn every_fit_equals_that_of_open_clip() {
    let fits: Fits = serde_json::from_str(include_str!("../fixtures/open_clip_fit.json")).unwrap();
    assert!(fits.cases.len() >= 300);
    for case @ &Fit(seed, (width, height), to, mode, filter, fill_color, crc) in &fits.cases {
        let mode = [
            ResizeMode::Shortest,
            ResizeMode::Squash,
            ResizeMode::Longest,
        ][mode];
        let interpolation = FILTERS[filter];
        let spec = ImageSpec {
            interpolation,
            fill_color,
            ..spec(to.0, to.1, mode)
        };
        let result = fit(&drawn(seed, width, height), &spec);
        assert_eq!(crc32fast::hash(result.pixels()), crc, "{case:?}");
    }
}

fn cropped(image: &RgbImage, window: Window) -> Vec<u8> {
    let stride = image.width() as usize * 3;
    (window.y..window.y + window.height)
        .flat_map(|y| &image.pixels()[y * stride + window.x * 3..][..window.width * 3])
        .copied()
        .collect()
}

fn spec(width: usize, height: usize, resize_mode: ResizeMode) -> ImageSpec {
    ImageSpec {
        height,
        width,
        mean: [0.0; 3],
        std: [1.0; 3],
        resize_mode,
        interpolation: Interpolation::Bicubic,
        crop_rounding: CropRounding::HalfEven,
        fill_color: 7,
        exif_orientation: false,
        layout: InputLayout::NhwcUint8,
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_window_is_a_crop_of_the_whole(
        seed in 1u32.., width in 1u32..90, height in 1u32..90, to in (1usize..120, 1usize..120),
        corner in (0.0f64..1.0, 0.0f64..1.0), extent in (0.0f64..1.0, 0.0f64..1.0), filter in 0usize..2,
    ) {
        let image = drawn(seed, width, height);
        let (x, y) = ((corner.0 * to.0 as f64) as usize, (corner.1 * to.1 as f64) as usize);
        let window = Window {
            x,
            y,
            width: 1 + (extent.0 * (to.0 - x - 1) as f64) as usize,
            height: 1 + (extent.1 * (to.1 - y - 1) as f64) as usize,
        };
        let part = resize_window(&image, to.0, to.1, window, FILTERS[filter]);
        let whole = resize(&image, to.0, to.1, FILTERS[filter]);
        prop_assert_eq!(part.pixels(), &cropped(&whole, window)[..]);
    }

    #[test]
    fn one_colour_stays_that_colour(
        colour: [u8; 3], width in 1u32..200, height in 1u32..200, to in (1usize..200, 1usize..200),
        filter in 0usize..2,
    ) {
        let pixels = colour.repeat((width * height) as usize);
        let image = RgbImage::new(width, height, pixels).unwrap();
        let result = resize(&image, to.0, to.1, FILTERS[filter]);
        prop_assert!(result.pixels().chunks_exact(3).all(|pixel| pixel == colour));
    }

    #[test]
    fn the_result_has_the_encoders_size(
        seed in 1u32.., width in 1u32..150, height in 1u32..150, to in (1usize..100, 1usize..100), mode in 0usize..3,
    ) {
        let mode = [ResizeMode::Shortest, ResizeMode::Squash, ResizeMode::Longest][mode];
        let result = fit(&drawn(seed, width, height), &spec(to.0, to.1, mode));
        prop_assert_eq!((result.width() as usize, result.height() as usize), to);
    }
}

#[test]
fn extreme_shapes_can_be_fitted() {
    for (width, height) in [(1, 1), (1, 16_384), (16_384, 1), (3, 5_000), (5_000, 2)] {
        for mode in [
            ResizeMode::Shortest,
            ResizeMode::Squash,
            ResizeMode::Longest,
        ] {
            let result = fit(&drawn(5, width, height), &spec(224, 224, mode));
            assert_eq!(
                result.pixels().len(),
                224 * 224 * 3,
                "{width}x{height} {mode:?}"
            );
        }
    }
}

#[test]
fn padding_has_the_fill_colour_and_is_centred() {
    let image = RgbImage::new(4, 2, vec![200; 24]).unwrap();
    let result = fit(&image, &spec(8, 8, ResizeMode::Longest));
    let rows: Vec<u8> = result.pixels().chunks_exact(24).map(|row| row[0]).collect();
    assert_eq!(rows, [7, 7, 200, 200, 200, 200, 7, 7]);
}
