//! The feature `dct-scaling`: large JPEGs decoded at a fraction of their size give the same embeddings.
//! `cargo test --features dct-scaling --test preprocess_reduced` (needs cmake and nasm).

use std::path::Path;

use clip_in::bundle::Bundle;
use clip_in::preprocess::{
    ImageError, ImageSpec, Interpolation, Limits, Pixels, RgbImage, decode, fit, preprocess, resize,
};
use clip_in::runtime::{Encoders, SessionSettings};

fn demo() -> Bundle {
    Bundle::open(&Path::new(env!("CARGO_MANIFEST_DIR")).join("models/demo")).unwrap()
}

fn spec() -> ImageSpec {
    demo().manifest.image.spec().unwrap()
}

/// A photograph from the fixtures or a sample scene, enlarged and stored as a JPEG.
fn jpeg(name: &str, width: usize, height: usize) -> Vec<u8> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(name);
    let small = decode(&std::fs::read(path).unwrap(), &Limits::default(), false).unwrap();
    encode(&resize(&small, width, height, Interpolation::Bicubic))
}

fn encode(image: &RgbImage) -> Vec<u8> {
    let mut file = Vec::new();
    let mut encoder = jpeg_encoder::Encoder::new(&mut file, 92);
    encoder.set_sampling_factor(jpeg_encoder::SamplingFactor::F_2_2);
    let (width, height) = (image.width() as u16, image.height() as u16);
    let kind = jpeg_encoder::ColorType::Rgb;
    encoder.encode(image.pixels(), width, height, kind).unwrap();
    file
}

/// The result of decoding at full size.
fn whole(file: &[u8]) -> Pixels {
    let image = decode(file, &Limits::default(), false).unwrap();
    Pixels::U8(fit(&image, &spec()).pixels().to_vec())
}

fn reduced(file: &[u8]) -> Pixels {
    preprocess(file, &Limits::default(), &spec()).unwrap()
}

#[test]
fn embeddings_are_those_of_the_whole_picture() {
    let bundle = demo();
    let variant = bundle.variant("fp32").unwrap();
    let settings = SessionSettings::cpu(1);
    let mut encoders = Encoders::load(&bundle, variant, &settings, None).unwrap();
    let mut differed = false;
    for name in [
        "tests/fixtures/images/420-large.jpg",
        "models/demo/samples/0.webp",
        "models/demo/samples/1.webp",
        "models/demo/samples/2.webp",
    ] {
        for (width, height) in [(800, 700), (1301, 877), (2600, 2600), (3000, 2004)] {
            let file = jpeg(name, width, height);
            let (one, other) = (whole(&file), reduced(&file));
            differed |= one != other;
            let found = encoders.encode_images(&[&one, &other], 2).unwrap();
            let cosine: f32 = found[0]
                .iter()
                .zip(found[1].iter())
                .map(|(a, b)| a * b)
                .sum();
            assert!(
                1.0 - cosine < 1e-4,
                "{name} {width}x{height}: {}",
                1.0 - cosine
            );
        }
    }
    assert!(differed, "nothing was reduced: this test shows nothing");
}

#[test]
fn images_near_the_inputs_size_are_not_reduced() {
    let least = (2.5 * spec().width as f64) as usize * 2;
    let file = jpeg("models/demo/samples/0.webp", least - 2, 2 * least);
    assert_eq!(whole(&file), reduced(&file));
}

#[test]
fn damage_and_limits_are_detected_in_reduced_decoding() {
    let file = jpeg("models/demo/samples/0.webp", 1400, 1000);
    let limits = Limits::default();
    let cut = preprocess(&file[..file.len() / 2], &limits, &spec());
    assert!(matches!(cut, Err(ImageError::Corrupt { .. })), "{cut:?}");
    let small = Limits {
        max_side: 1000,
        ..limits
    };
    let large = preprocess(&file, &small, &spec());
    assert!(
        matches!(large, Err(ImageError::TooLarge { .. })),
        "{large:?}"
    );
}

#[test]
fn orientation_is_read() {
    let upright = jpeg("models/demo/samples/0.webp", 1400, 1000);
    // An EXIF segment with "rotate by 90 degrees" after the file's first two bytes.
    let mut exif =
        b"Exif\0\0MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\x06\0\0\0\0\0\0".to_vec();
    let length = (exif.len() as u16 + 2).to_be_bytes();
    let mut turned = upright[..2].to_vec();
    turned.extend([0xff, 0xe1]);
    turned.extend(length);
    turned.append(&mut exif);
    turned.extend(&upright[2..]);
    let oriented = ImageSpec {
        exif_orientation: true,
        ..spec()
    };
    let limits = Limits::default();
    let Pixels::U8(before) = preprocess(&upright, &limits, &oriented).unwrap() else {
        panic!("the demo model takes bytes");
    };
    let Pixels::U8(after) = preprocess(&turned, &limits, &oriented).unwrap() else {
        panic!("the demo model takes bytes");
    };
    let side = oriented.width;
    let pixel = |pixels: &[u8], x: usize, y: usize| {
        <[u8; 3]>::try_from(&pixels[(y * side + x) * 3..][..3]).unwrap()
    };
    // Clockwise: the left side becomes the top.
    let off = (0..side * side).map(|i| {
        let (x, y) = (i % side, i / side);
        let (one, other) = (pixel(&before, x, y), pixel(&after, side - 1 - y, x));
        one.iter()
            .zip(other)
            .map(|(a, b)| a.abs_diff(b))
            .max()
            .unwrap()
    });
    let mean = off.map(f64::from).sum::<f64>() / (side * side) as f64;
    assert!(mean < 3.0, "off by {mean} levels");
}
