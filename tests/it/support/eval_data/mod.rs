//! Benchmark data in published formats, made from the demo's scenes; and `clip-in eval` as a user calls it.

#![allow(dead_code)] // Each test file uses a part.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use arrow_array::{ArrayRef, StringArray};
use serde_json::Value;

use super::embed_input::{self, images};
use super::server::{demo, program};

/// Captions of the scenes in `models/demo/samples`, in order. The scenes have nothing in common, so that the demo model
/// distinguishes all of them.
pub const SCENES: [&str; 9] = [
    "An unlit green flashlight facing left in the upper half, together with six yellow screws on a blue mat.",
    "A single ball near a green cogwheel with fine teeth and a pencil on wood.",
    "A red wall switch with a tag reading \"V3\" in the on position with a crack, together with five small balls and a coin.",
    "A yellow wall switch turned off with a thin scratch in the left half with six purple springs.",
    "A dented white ribbed torch on the right and five big orange tiles, seen at an angle from the front.",
    "A yellow narrow-necked bottle with a tag reading \"NAS\", seen at an angle from the left side.",
    "A red empty cracked cup with a round handle on the left and a yellow warning triangle on a black mat.",
    "Six nuts to the right of a white microchip with pins on two sides with nothing else beside it.",
    "An orange toggle switch with a tag reading \"JE3\" in the lower half on a grey surface.",
];

/// The file of a scene.
pub fn webp(scene: usize) -> Vec<u8> {
    fs::read(demo().join(format!("samples/{scene}.webp"))).unwrap()
}

/// A scene as JPEG.
pub fn jpeg(scene: usize) -> Vec<u8> {
    let image = image::load_from_memory(&webp(scene)).unwrap().to_rgb8();
    let (width, height) = (image.width() as u16, image.height() as u16);
    let mut file = Vec::new();
    let encoder = jpeg_encoder::Encoder::new(&mut file, 95);
    let kind = jpeg_encoder::ColorType::Rgb;
    encoder.encode(&image, width, height, kind).unwrap();
    file
}

/// A scene as PNG.
pub fn png(scene: usize) -> Vec<u8> {
    let image = image::load_from_memory(&webp(scene)).unwrap();
    let mut file = std::io::Cursor::new(Vec::new());
    image.write_to(&mut file, image::ImageFormat::Png).unwrap();
    file.into_inner()
}

/// Writes a file and its parent folders.
pub fn write(path: &Path, content: impl AsRef<[u8]>) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, content).unwrap();
}

/// The result of a run.
pub struct Ended {
    pub status: i32,
    pub said: String,
    pub table: String,
    /// The result, if one was written.
    pub report: Value,
}

impl Ended {
    pub fn value(&self, metric: &str) -> f64 {
        let metrics = &self.report["metrics"];
        metrics[metric]["value"]
            .as_f64()
            .unwrap_or_else(|| panic!("no {metric} in {metrics}"))
    }

    /// An outcome of every item, by id.
    pub fn outcomes(&self, outcome: &str) -> Vec<(String, Value)> {
        let items = self.report["items"].as_array().unwrap();
        let of = |item: &Value| {
            (
                item["id"].as_str().unwrap().to_owned(),
                item["outcomes"][outcome].clone(),
            )
        };
        items.iter().map(of).collect()
    }

    /// The broken data: place and reason.
    pub fn broken(&self) -> Vec<(String, String)> {
        let broken = self.report["broken"].as_array().unwrap();
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        broken
            .iter()
            .map(|it| (text(&it["place"]), text(&it["reason"])))
            .collect()
    }
}

/// Runs `clip-in eval` on the demo model.
pub fn eval(benchmark: &str, data: &Path, more: &[&str]) -> Ended {
    let folder = tempfile::tempdir().unwrap();
    // A missing folder is created.
    let json = folder.path().join("results/out.json");
    let mut command = program();
    command
        .args([
            "eval",
            benchmark,
            "--precision",
            "fp32",
            "--resamples",
            "100",
            "--model",
        ])
        .arg(demo());
    command
        .arg("--data")
        .arg(data)
        .arg("--json")
        .arg(&json)
        .args(more);
    let output = command.output().unwrap();
    let report = fs::read(&json).map_or(Value::Null, |text| serde_json::from_slice(&text).unwrap());
    Ended {
        status: output.status.code().unwrap(),
        said: String::from_utf8_lossy(&output.stderr).into_owned(),
        table: String::from_utf8_lossy(&output.stdout).into_owned(),
        report,
    }
}

/// The caption of a scene in the tests of retrieval.
pub fn caption(scene: usize) -> &'static str {
    SCENES[[0, 1, 2, 4, 3][scene]]
}

/// A column of texts.
pub fn strings(values: &[&str]) -> ArrayRef {
    Arc::new(StringArray::from(values.to_vec()))
}

/// Hugging Face's column of images.
pub fn pictures(files: &[Vec<u8>]) -> ArrayRef {
    let bytes: Vec<_> = files.iter().map(|file| Some(file.as_slice())).collect();
    images(&bytes, &vec![Some("x.png"); files.len()])
}

/// A file in row groups of two rows.
pub fn write_parquet(path: &Path, columns: Vec<(&str, ArrayRef)>) {
    embed_input::write_parquet(path, columns, 2);
}
