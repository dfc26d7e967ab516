//! Files of every kind, compared with Pillow.

use std::{collections::BTreeMap, path::PathBuf};

use clip_in::preprocess::{
    CropRounding, ImageError, ImageSpec, InputLayout, Interpolation, Limits, Pixels, ResizeMode,
    RgbImage, decode, preprocess,
};
use serde::Deserialize;

#[derive(Deserialize)]
struct Expected {
    size: Option<(u32, u32)>,
    crc32: Option<u32>,
    /// Mean colours of a 6 x 6 grid, in tenths.
    grid: Option<Vec<[f64; 3]>>,
    refused: Option<String>,
}

const GRID: usize = 6;
/// Maximum difference of a cell's mean colour, in levels, where codecs may round differently.
const TOLERANCE: f64 = 1.5;

fn fixtures() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures")
}

fn file(name: &str) -> Vec<u8> {
    std::fs::read(fixtures().join("images").join(name)).unwrap()
}

fn decoded(bytes: &[u8]) -> Result<RgbImage, ImageError> {
    decode(bytes, &Limits::default(), false)
}

fn grid(image: &RgbImage) -> Vec<[f64; 3]> {
    let (width, height) = (image.width() as usize, image.height() as usize);
    let mut cells = Vec::new();
    for (row, column) in (0..GRID * GRID).map(|cell| (cell / GRID, cell % GRID)) {
        let (top, left) = (row * height / GRID, column * width / GRID);
        let bottom = ((row + 1) * height / GRID).max(top + 1);
        let right = ((column + 1) * width / GRID).max(left + 1);
        let mut sum = [0.0; 3];
        for (x, y) in (top..bottom).flat_map(|y| (left..right).map(move |x| (x, y))) {
            for (sum, &value) in sum.iter_mut().zip(&image.pixels()[(y * width + x) * 3..]) {
                *sum += f64::from(value);
            }
        }
        cells.push(sum.map(|sum| sum / ((bottom - top) * (right - left)) as f64));
    }
    cells
}

fn disagreement(name: &str, expected: &Expected) -> Option<String> {
    let image = match (decoded(&file(name)), &expected.refused) {
        (Err(error), Some(code)) if error.code() == code.as_str() => return None,
        (Err(error), _) => return Some(format!("{name}: refused with {}: {error}", error.code())),
        (Ok(_), Some(code)) => return Some(format!("{name}: should be refused with {code}")),
        (Ok(image), None) => image,
    };
    let size = (image.width(), image.height());
    if Some(size) != expected.size {
        return Some(format!("{name}: {size:?} instead of {:?}", expected.size));
    }
    let crc = crc32fast::hash(image.pixels());
    if expected.crc32.is_some_and(|expected| expected != crc) {
        return Some(format!("{name}: pixels differ from Pillow's"));
    }
    let expected = expected.grid.as_deref().unwrap_or_default();
    let worst = grid(&image)
        .as_flattened()
        .iter()
        .zip(expected.as_flattened())
        .map(|(ours, theirs)| (ours - theirs / 10.0).abs())
        .fold(0.0, f64::max);
    (worst > TOLERANCE).then(|| format!("{name}: a cell differs by {worst:.2} levels"))
}

#[test]
fn every_file_is_as_pillow_reads_it_or_refused() {
    let expected: BTreeMap<String, Expected> =
        serde_json::from_slice(&std::fs::read(fixtures().join("expected.json")).unwrap()).unwrap();
    assert!(expected.len() >= 80);
    let wrong: Vec<_> = expected
        .iter()
        .filter_map(|(name, expected)| disagreement(name, expected))
        .collect();
    assert!(
        wrong.is_empty(),
        "{} of {}:\n{}",
        wrong.len(),
        expected.len(),
        wrong.join("\n")
    );
}

#[test]
fn exif_orientation_is_applied_on_request() {
    // The stored rows are the same in all eight files, so undoing each rotation by hand must restore them.
    let stored = decoded(&file("orientation-1.jpg")).unwrap();
    let (width, height) = (stored.width() as usize, stored.height() as usize);
    let at = |image: &RgbImage, x: usize, y: usize| {
        let start = (y * image.width() as usize + x) * 3;
        <[u8; 3]>::try_from(&image.pixels()[start..start + 3]).unwrap()
    };
    for orientation in 1..=8 {
        let bytes = file(&format!("orientation-{orientation}.jpg"));
        assert_eq!(decoded(&bytes).unwrap(), stored, "not asked for");
        let turned = decode(&bytes, &Limits::default(), true).unwrap();
        for (x, y) in (0..height).flat_map(|y| (0..width).map(move |x| (x, y))) {
            // The position of the stored row y and column x by EXIF 2.3.
            let (right, bottom) = (width - 1 - x, height - 1 - y);
            let (to_x, to_y) = match orientation {
                1 => (x, y),
                2 => (right, y),
                3 => (right, bottom),
                4 => (x, bottom),
                5 => (y, x),
                6 => (bottom, x),
                7 => (bottom, right),
                _ => (y, right),
            };
            assert_eq!(
                at(&turned, to_x, to_y),
                at(&stored, x, y),
                "{orientation}: {x} {y}"
            );
        }
    }
    for name in ["orientation-6.png", "orientation-6.webp"] {
        let turned = decode(&file(name), &Limits::default(), true).unwrap();
        assert_eq!((turned.width(), turned.height()), (47, 61), "{name}");
    }
}

#[test]
fn declared_metadata_allocates_nothing() {
    let image = decode(
        &file("exif-claims-4-gigabytes.webp"),
        &Limits::default(),
        true,
    )
    .unwrap();
    assert_eq!(image, decoded(&file("lossless.webp")).unwrap());
}

#[test]
fn limits_hold_before_pixels_are_decoded() {
    let bytes = file("rgb.png");
    let small = Limits {
        max_bytes: 100,
        ..Limits::default()
    };
    assert_eq!(
        decode(&bytes, &small, false).unwrap_err().code(),
        "image_too_many_bytes"
    );
    for limits in [
        Limits {
            max_side: 60,
            ..Limits::default()
        },
        Limits {
            max_pixels: 61 * 47 - 1,
            ..Limits::default()
        },
    ] {
        for name in [
            "rgb.png",
            "444.jpg",
            "lossless.webp",
            "rgb.bmp",
            "rgb.tiff",
            "rgb.gif",
        ] {
            let error = decode(&file(name), &limits, false).unwrap_err();
            assert_eq!(error.code(), "image_too_large", "{name}");
        }
    }
    let just = Limits {
        max_bytes: bytes.len(),
        max_side: 61,
        max_pixels: 61 * 47,
    };
    assert!(decode(&bytes, &just, false).is_ok());
}

#[test]
fn a_file_cut_anywhere_is_refused_and_never_panics() {
    for name in [
        "420-large.jpg",
        "420-progressive.jpg",
        "grey.jpg",
        "restart.jpg",
        "rgb.png",
        "lossless.webp",
        "lossy.webp",
        "lzw.tiff",
        "rgb.gif",
    ] {
        let bytes = file(name);
        for length in (0..bytes.len() - 40).step_by(bytes.len() / 40) {
            assert!(
                decoded(&bytes[..length]).is_err(),
                "{name} cut at {length} of {}",
                bytes.len()
            );
        }
    }
}

#[test]
fn damage_is_survived() {
    // Whether damage is detected depends on the format, but it must never be accepted as an image.
    let expected: BTreeMap<String, Expected> =
        serde_json::from_slice(&std::fs::read(fixtures().join("expected.json")).unwrap()).unwrap();
    let mut state = 1u32;
    for name in expected.keys() {
        let bytes = file(name);
        for _ in 0..if bytes.is_empty() { 0 } else { 12 } {
            let mut damaged = bytes.clone();
            for _ in 0..4 {
                state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                let at = (state >> 8) as usize % damaged.len();
                damaged[at] ^= (state >> 3) as u8 | 1;
            }
            let _ = decode(
                &damaged,
                &Limits {
                    max_pixels: 1 << 20,
                    ..Limits::default()
                },
                true,
            );
        }
    }
}

#[test]
fn the_tensor_equals_torchvisions() {
    let spec = ImageSpec {
        height: 2,
        width: 2,
        mean: [0.48145466, 0.4578275, 0.40821073],
        std: [0.26862954, 0.261_302_6, 0.275_777_1],
        resize_mode: ResizeMode::Squash,
        interpolation: Interpolation::Bicubic,
        crop_rounding: CropRounding::HalfEven,
        fill_color: 0,
        exif_orientation: false,
        layout: InputLayout::NchwFloat32,
    };
    let bytes = file("one-pixel.png");
    let Pixels::F32(values) = preprocess(&bytes, &Limits::default(), &spec).unwrap() else {
        panic!("not floating point");
    };
    // ToTensor and Normalize of the colour (12, 34, 56), in float32.
    let wanted = [TORCH[0]; 4]
        .into_iter()
        .chain([TORCH[1]; 4])
        .chain([TORCH[2]; 4]);
    assert!(values.iter().copied().eq(wanted), "{values:?}");

    let spec = ImageSpec {
        layout: InputLayout::NhwcUint8,
        ..spec
    };
    let pixels = preprocess(&bytes, &Limits::default(), &spec).unwrap();
    assert_eq!(pixels, Pixels::U8([12, 34, 56].repeat(4)));
}

const TORCH: [f32; 3] = [-1.617_081_4, -1.241_833, -0.683_896_06];
