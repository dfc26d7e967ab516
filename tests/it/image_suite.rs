//! Several hundred small files of every layout (tests/fixtures/image_suite.py, tiff_suite.py) against Pillow's pixels:
//! each is read like Pillow does, or refused with the listed code. A wrong picture is never accepted.

use std::{collections::BTreeMap, io::Read, path::Path};

use clip_in::preprocess::{ImageError, Limits, RgbImage, decode};
use serde::Deserialize;

#[derive(Deserialize)]
struct Entry {
    size: Option<(u32, u32)>,
    answer: Option<String>,
    /// The maximum difference of a sample, in levels.
    #[serde(default)]
    most: u8,
    /// The maximum mean difference, in levels.
    #[serde(default)]
    mean: f64,
    /// The code of a refusal that is correct as well.
    refused: Option<String>,
}

/// The result for a file.
enum Outcome {
    Right,
    Refused,
    Wrong(String),
}

fn outcome(entry: &Entry, file: &[u8], answers: &BTreeMap<String, Vec<u8>>) -> Outcome {
    let image = match (decode(file, &Limits::default(), false), &entry.refused) {
        (Ok(image), _) => image,
        (Err(error), Some(code)) if error.code() == code.as_str() => return Outcome::Refused,
        (Err(error), _) => return Outcome::Wrong(format!("{}: {error}", error.code())),
    };
    let Some(answer) = &entry.answer else {
        return Outcome::Wrong("answered, where nobody knows the answer".to_owned());
    };
    if Some((image.width(), image.height())) != entry.size {
        return Outcome::Wrong(format!("{}x{}", image.width(), image.height()));
    }
    let pairs = image
        .pixels()
        .iter()
        .zip(&answers[&format!("answers/{answer}")]);
    let differences: Vec<u8> = pairs.map(|(ours, theirs)| ours.abs_diff(*theirs)).collect();
    let most = differences.iter().copied().max().unwrap();
    let mean = differences.iter().copied().map(f64::from).sum::<f64>() / differences.len() as f64;
    if most > entry.most || mean > entry.mean {
        return Outcome::Wrong(format!("differs by up to {most}, {mean:.2} in the mean"));
    }
    Outcome::Right
}

#[test]
fn no_file_gives_a_wrong_picture() {
    check("image_suite.tar");
}

#[test]
fn no_tiff_gives_a_wrong_picture() {
    check("tiff_suite.tar");
}

fn check(suite: &str) {
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures");
    let path = fixtures.join(suite);
    let mut archive = tar::Archive::new(std::fs::File::open(path).unwrap());
    let mut members = BTreeMap::new();
    for member in archive.entries().unwrap() {
        let mut member = member.unwrap();
        let name = member.path().unwrap().to_str().unwrap().to_owned();
        let mut content = Vec::new();
        member.read_to_end(&mut content).unwrap();
        members.insert(name, content);
    }
    let index: BTreeMap<String, Entry> = serde_json::from_slice(&members["index.json"]).unwrap();
    assert!(index.len() >= 400);
    // Correct, refused, wrong; by the ending of the name.
    let mut counts = BTreeMap::<&str, [usize; 3]>::new();
    let mut wrong = Vec::new();
    for (name, entry) in &index {
        let count = counts.entry(name.rsplit('.').next().unwrap()).or_default();
        match outcome(entry, &members[&format!("files/{name}")], &members) {
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

fn case(name: &str) -> Result<RgbImage, ImageError> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/cases");
    let bytes = std::fs::read(folder.join(name)).unwrap();
    decode(&bytes, &Limits::default(), false)
}

#[test]
fn reported_files_give_their_correct_pixels() {
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
        let (image, same) = (case(name).unwrap(), case(same).unwrap());
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
