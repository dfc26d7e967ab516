//! Valid but unusual JPEG files: either correct pixels or a correct refusal, never other pixels. The files were made
//! with libjpeg-turbo's `jpegtran -scans` (lossless: the same pixels as the file beside them), and with Pillow.

use clip_in::preprocess::{ImageError, Limits, RgbImage, decode};

fn decoded(name: &str) -> Result<RgbImage, ImageError> {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/cases/");
    let bytes = std::fs::read(format!("{folder}{name}")).unwrap();
    decode(&bytes, &Limits::default(), false)
}

/// Maximum and mean difference of two images, in levels.
fn difference(a: &RgbImage, b: &RgbImage) -> (u8, f64) {
    assert_eq!((a.width(), a.height()), (b.width(), b.height()));
    let differences = a
        .pixels()
        .iter()
        .zip(b.pixels())
        .map(|(a, b)| a.abs_diff(*b));
    let sum: u64 = differences.clone().map(u64::from).sum();
    (
        differences.max().unwrap(),
        sum as f64 / a.pixels().len() as f64,
    )
}

#[test]
fn one_scan_per_component_gives_the_pixels_of_one_scan() {
    for name in ["noninterleaved-420", "noninterleaved-chroma-first"] {
        let apart = decoded(&format!("{name}.jpg")).unwrap();
        let together = decoded(&format!("{name}.same-pixels.jpg")).unwrap();
        let (most, mean) = difference(&apart, &together);
        // The two decoders round the inverse transform and the upsampling of colour differently.
        assert!(
            most <= 12 && mean <= 1.0,
            "{name}: {most} at most, {mean:.2} on average"
        );
    }
}

#[test]
fn jfif_determines_the_colour_model() {
    let image = decoded("jfif-and-adobe0.jpg").unwrap();
    let pillow = decoded("jfif-and-adobe0.pillow.png").unwrap();
    let (most, mean) = difference(&image, &pillow);
    assert!(
        most <= 12 && mean <= 1.0,
        "{most} at most, {mean:.2} on average"
    );
}

#[test]
fn arithmetic_coding_is_unsupported_and_not_damaged() {
    let refused = decoded("arithmetic.jpg").unwrap_err();
    assert_eq!(refused.code(), "image_unsupported_format");
    assert!(
        refused.to_string().contains("arithmetic coding"),
        "{refused}"
    );
}
