//! Thousands of small files of every kind (image_suite.py, tiff_suite.py and raster_suite.py in tests/fixtures) against
//! Pillow's pixels: each is read like Pillow does, or refused with the listed code. A wrong picture is never accepted.

use std::{collections::BTreeMap, io::Read, path::Path};

use clip_in::preprocess::{
    CropRounding, ImageError, ImageOptions, ImageSpec, InputLayout, Interpolation, Limits, Picture,
    ResizeMode, Stop, decode_for,
};
use flate2::read::GzDecoder;
use serde::Deserialize;

#[derive(Deserialize)]
struct Entry {
    /// Its name in the archive; the entry's own name if none is given.
    file: Option<String>,
    size: Option<(u32, u32)>,
    answer: Option<String>,
    /// The image options for the file.
    #[serde(default)]
    options: ImageOptions,
    /// Whether a warning is expected.
    #[serde(default)]
    in_low_bits: bool,
    /// The maximum difference of a sample, in levels.
    #[serde(default)]
    most: u8,
    /// The maximum mean difference, in levels.
    #[serde(default)]
    mean: f64,
    /// The code of a refusal that is correct as well.
    refused: Option<String>,
}

type Members = BTreeMap<String, Vec<u8>>;

/// The files of a tar by name.
fn members(tar: impl Read) -> Members {
    let mut archive = tar::Archive::new(tar);
    let members = archive.entries().unwrap().map(|member| {
        let mut member = member.unwrap();
        let name = member.path().unwrap().to_str().unwrap().to_owned();
        let mut content = Vec::new();
        member.read_to_end(&mut content).unwrap();
        (name, content)
    });
    members.collect()
}

fn suite(name: &str) -> std::fs::File {
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures");
    std::fs::File::open(fixtures.join(name)).unwrap()
}

fn read(file: &[u8], options: ImageOptions) -> Result<Picture, ImageError> {
    let spec = ImageSpec {
        height: 224,
        width: 224,
        mean: [0.5; 3],
        std: [0.5; 3],
        resize_mode: ResizeMode::Squash,
        interpolation: Interpolation::Bicubic,
        crop_rounding: CropRounding::HalfEven,
        fill_color: 0,
        exif_orientation: false,
        layout: InputLayout::NhwcUint8,
    };
    decode_for(file, &Limits::default(), &spec, options, &Stop::never())
}

/// The result for a file.
enum Outcome {
    Right,
    Refused,
    Wrong(String),
}

fn outcome(name: &str, entry: &Entry, members: &Members) -> Outcome {
    let file = entry.file.as_deref().unwrap_or(name);
    let file = &members[&format!("files/{file}")];
    let picture = match (read(file, entry.options), &entry.refused) {
        (Ok(picture), _) => picture,
        (Err(error), Some(code)) if error.code() == code.as_str() => return Outcome::Refused,
        (Err(error), _) => return Outcome::Wrong(format!("{}: {error}", error.code())),
    };
    let Some(answer) = &entry.answer else {
        return Outcome::Wrong("answered, where nobody knows the answer".to_owned());
    };
    let image = &picture.image;
    if Some((image.width(), image.height())) != entry.size {
        return Outcome::Wrong(format!("{}x{}", image.width(), image.height()));
    }
    if picture.in_low_bits != entry.in_low_bits {
        return Outcome::Wrong(format!("in low bits: {}", picture.in_low_bits));
    }
    let answer = &members[&format!("answers/{answer}")];
    assert_eq!(image.pixels().len(), answer.len(), "{name}");
    let pairs = image.pixels().iter().zip(answer);
    let differences: Vec<u8> = pairs.map(|(ours, theirs)| ours.abs_diff(*theirs)).collect();
    let most = differences.iter().copied().max().unwrap();
    let mean = differences.iter().copied().map(f64::from).sum::<f64>() / differences.len() as f64;
    if most > entry.most || mean > entry.mean {
        return Outcome::Wrong(format!("differs by up to {most}, {mean:.2} in the mean"));
    }
    Outcome::Right
}

/// Checks every entry of a suite, whatever the ending of its name.
fn check(members: &Members, at_least: usize) {
    let index: BTreeMap<String, Entry> = serde_json::from_slice(&members["index.json"]).unwrap();
    assert!(index.len() >= at_least, "{} files", index.len());
    // Correct, refused, wrong; by the ending of the name.
    let mut counts = BTreeMap::<&str, [usize; 3]>::new();
    let mut wrong = Vec::new();
    for (name, entry) in &index {
        let count = counts.entry(name.rsplit('.').next().unwrap()).or_default();
        match outcome(name, entry, members) {
            Outcome::Right => count[0] += 1,
            Outcome::Refused => count[1] += 1,
            Outcome::Wrong(what) => {
                count[2] += 1;
                wrong.push(format!("{name}: {what}"));
            }
        }
    }
    for (ending, [right, refused, wrong]) in counts {
        println!("{ending}: {right} right, {refused} refused, {wrong} wrong");
    }
    assert!(
        wrong.is_empty(),
        "{} of {}:\n{}",
        wrong.len(),
        index.len(),
        wrong.join("\n")
    );
}

#[test]
fn no_jpeg_gives_a_wrong_picture() {
    check(&members(suite("image_suite.tar")), 700);
}

#[test]
fn no_tiff_gives_a_wrong_picture() {
    check(&members(suite("tiff_suite.tar")), 1000);
}

#[test]
fn no_file_of_another_format_gives_a_wrong_picture() {
    let plain = GzDecoder::new(suite("raster_suite.tar.gz"));
    check(&members(plain), 1200);
}

fn case(name: &str) -> Result<Picture, ImageError> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/cases");
    let bytes = std::fs::read(folder.join(name)).unwrap();
    read(&bytes, ImageOptions::default())
}

#[test]
fn reported_jpegs_give_their_correct_pixels() {
    for (name, same) in [
        (
            "noninterleaved-420.jpg",
            "noninterleaved-420.same-pixels.jpg",
        ),
        (
            "noninterleaved-chroma-first.jpg",
            "noninterleaved-chroma-first.same-pixels.jpg",
        ),
        ("jfif-and-adobe0.jpg", "jfif-and-adobe0.pillow.png"),
    ] {
        let (image, same) = (case(name).unwrap().image, case(same).unwrap().image);
        assert_eq!(
            (image.width(), image.height()),
            (same.width(), same.height())
        );
        let pairs = image.pixels().iter().zip(same.pixels());
        let most = pairs.map(|(ours, theirs)| ours.abs_diff(*theirs)).max();
        assert!(most <= Some(8), "{name}: differs by up to {most:?}");
    }
}

#[test]
fn arithmetic_coding_is_reported_as_unsupported() {
    let error = case("arithmetic.jpg").unwrap_err();
    assert_eq!(error.code(), "image_unsupported_format");
    assert!(error.to_string().contains("arithmetic coding"), "{error}");
}

#[test]
fn reported_files_of_other_formats_give_their_correct_pixels() {
    for (name, same) in [
        ("mono12-in-16.png", "mono12-in-16.expected.png"),
        (
            "gif-frame-smaller-than-screen.gif",
            "gif-frame-smaller-than-screen.pillow.png",
        ),
    ] {
        assert!(case(name).unwrap() == case(same).unwrap(), "{name}");
    }
    // TIFF cannot declare the number of used bits, so the warning appears.
    assert!(case("mono12-in-16.tif").unwrap().in_low_bits);
    for name in ["bmp8_lastpad_missing.bmp", "png_noiend.png"] {
        assert!(case(name).is_ok(), "{name}");
    }
}
