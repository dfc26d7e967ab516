//! Over a thousand small PNG, BMP, GIF and WebP files (tests/fixtures/raster_suite.py) against Pillow's pixels: each is
//! read like Pillow does, or refused with the listed code. A wrong picture is never accepted.

use std::{collections::BTreeMap, io::Read, path::Path};

use clip_in::preprocess::{
    CropRounding, ImageError, ImageOptions, ImageSpec, InputLayout, Interpolation, Limits, Picture,
    ResizeMode, Stop, decode_for,
};
use flate2::read::GzDecoder;
use serde::Deserialize;

#[derive(Deserialize)]
struct Entry {
    file: String,
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

fn members() -> Members {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/raster_suite.tar.gz");
    let file = std::fs::File::open(path).unwrap();
    let mut archive = tar::Archive::new(GzDecoder::new(file));
    let members = archive.entries().unwrap().map(|member| {
        let mut member = member.unwrap();
        let name = member.path().unwrap().to_str().unwrap().to_owned();
        let mut content = Vec::new();
        member.read_to_end(&mut content).unwrap();
        (name, content)
    });
    members.collect()
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

/// True if the file was read, false if it was refused with the correct code.
fn outcome(entry: &Entry, members: &Members) -> Result<bool, String> {
    let file = &members[&format!("files/{}", entry.file)];
    let picture = match (read(file, entry.options), &entry.refused) {
        (Ok(picture), _) => picture,
        (Err(error), Some(code)) if error.code() == code.as_str() => return Ok(false),
        (Err(error), _) => return Err(format!("{}: {error}", error.code())),
    };
    let Some(answer) = &entry.answer else {
        return Err("answered, where nobody knows the answer".to_owned());
    };
    let image = &picture.image;
    if Some((image.width(), image.height())) != entry.size {
        return Err(format!("{}x{}", image.width(), image.height()));
    }
    if picture.in_low_bits != entry.in_low_bits {
        return Err(format!("in low bits: {}", picture.in_low_bits));
    }
    let answer = &members[&format!("answers/{answer}")];
    let pairs = image.pixels().iter().zip(answer);
    let differences: Vec<u8> = pairs.map(|(ours, theirs)| ours.abs_diff(*theirs)).collect();
    let most = differences.iter().copied().max().unwrap();
    let mean = differences.iter().copied().map(f64::from).sum::<f64>() / differences.len() as f64;
    if most > entry.most || mean > entry.mean {
        return Err(format!("differs by up to {most}, {mean:.2} in the mean"));
    }
    Ok(true)
}

#[test]
fn no_file_gives_a_wrong_picture() {
    let members = members();
    let index: BTreeMap<String, Entry> = serde_json::from_slice(&members["index.json"]).unwrap();
    assert!(index.len() >= 1000);
    let mut wrong = Vec::new();
    // Files with other endings are not read: a new format needs its endings here.
    for format in ["png", "bmp", "gif", "webp"] {
        let (mut right, mut refused, before) = (0, 0, wrong.len());
        for (name, entry) in index
            .iter()
            .filter(|(name, _)| name.ends_with(&format!(".{format}")))
        {
            match outcome(entry, &members) {
                Ok(true) => right += 1,
                Ok(false) => refused += 1,
                Err(what) => wrong.push(format!("{name}: {what}")),
            }
        }
        let wrong = wrong.len() - before;
        println!("{format}: {right} right, {refused} refused, {wrong} wrong");
    }
    assert!(
        wrong.is_empty(),
        "{} of {}:\n{}",
        wrong.len(),
        index.len(),
        wrong.join("\n")
    );
}

fn case(name: &str) -> Result<Picture, ImageError> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/cases");
    let bytes = std::fs::read(folder.join(name)).unwrap();
    read(&bytes, ImageOptions::default())
}

#[test]
fn reported_files_give_their_correct_pixels() {
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
