//! Small training sets in every format.

#![allow(dead_code)] // Each test file uses a part.

use std::fs::{self, File};
use std::path::Path;
use std::sync::Arc;

use arrow_array::{ArrayRef, BinaryArray, Float64Array, RecordBatch, StringArray, StructArray};
use arrow_schema::{DataType, Field, Fields};
use clip_in::preprocess::{Limits, decode};
use parquet::arrow::ArrowWriter;
use serde_json::json;

use crate::support::server::{demo, fixture};

/// One pair.
#[derive(Clone)]
pub struct Pair {
    pub images: [Vec<u8>; 2],
    pub captions: [String; 2],
    pub category: &'static str,
    /// clip_sim_dir
    pub quality: f64,
}

/// A scene of the demo model, as a file.
pub fn scene(number: usize) -> Vec<u8> {
    fs::read(demo().join(format!("samples/{number}.webp"))).unwrap()
}

/// Drawn: a coloured disc on a background; all numbers give different pictures.
pub fn drawn(number: u32) -> Vec<u8> {
    let side = 128_u32;
    let colour = |k: u32| {
        let mixed = (number * 7 + k).wrapping_mul(2_654_435_761);
        [(mixed >> 8) as u8, (mixed >> 16) as u8, (mixed >> 24) as u8]
    };
    let (x0, y0) = (24 + number * 37 % 80, 24 + number * 53 % 80);
    let mut pixels = Vec::new();
    for y in 0..side {
        for x in 0..side {
            let inside = x.abs_diff(x0).pow(2) + y.abs_diff(y0).pow(2) < 22 * 22;
            let stripe = ((x + y * (number % 4)) / 16).is_multiple_of(2);
            pixels.extend(colour(if inside { 1 } else { 2 + u32::from(stripe) }));
        }
    }
    png(side, side, &pixels)
}

/// Pixels in a lossless file.
pub fn png(width: u32, height: u32, pixels: &[u8]) -> Vec<u8> {
    use image::ImageEncoder;

    let mut file = Vec::new();
    image::codecs::png::PngEncoder::new(&mut file)
        .write_image(pixels, width, height, image::ExtendedColorType::Rgb8)
        .unwrap();
    file
}

/// The same picture, saved as JPEG.
pub fn as_jpeg(file: &[u8], quality: u8) -> Vec<u8> {
    let picture = decode(file, &Limits::default(), false).unwrap();
    let (width, height) = (picture.width() as u16, picture.height() as u16);
    let mut jpeg = Vec::new();
    jpeg_encoder::Encoder::new(&mut jpeg, quality)
        .encode(
            picture.pixels(),
            width,
            height,
            jpeg_encoder::ColorType::Rgb,
        )
        .unwrap();
    jpeg
}

/// The same picture in another lossless file.
pub fn as_png(file: &[u8]) -> Vec<u8> {
    let picture = decode(file, &Limits::default(), false).unwrap();
    png(picture.width(), picture.height(), picture.pixels())
}

/// The same picture in a third lossless format.
pub fn as_bmp(file: &[u8]) -> Vec<u8> {
    let picture = decode(file, &Limits::default(), false).unwrap();
    let mut bmp = Vec::new();
    image::codecs::bmp::BmpEncoder::new(&mut bmp)
        .encode(
            picture.pixels(),
            picture.width(),
            picture.height(),
            image::ExtendedColorType::Rgb8,
        )
        .unwrap();
    bmp
}

fn pair(images: [Vec<u8>; 2], captions: [&str; 2], category: &'static str) -> Pair {
    Pair {
        images,
        captions: captions.map(str::to_owned),
        category,
        quality: 0.5,
    }
}

/// Six pairs without defects.
pub fn clean() -> Vec<Pair> {
    vec![
        pair(
            [scene(0), drawn(1)],
            ["a yellow torch", "a blue torch"],
            "color",
        ),
        pair([scene(2), drawn(2)], ["two bolts", "three bolts"], "count"),
        pair(
            [scene(4), drawn(3)],
            ["a torch on the left", "a torch on the right"],
            "position",
        ),
        pair(
            [scene(6), drawn(6)],
            ["a tag \"AB\"", "a tag \"AC\""],
            "text",
        ),
        pair(
            [scene(8), fixture("rgb.png")],
            ["a small mug", "a large mug"],
            "size",
        ),
        pair(
            [drawn(4), drawn(5)],
            ["a plate", "a plate with a leaf"],
            "presence",
        ),
    ]
}

/// UltraEdit's columns.
pub fn write_parquet(path: &Path, pairs: &[Pair]) {
    let images = |side: usize| -> ArrayRef {
        let fields = Fields::from(vec![
            Field::new("bytes", DataType::Binary, true),
            Field::new("path", DataType::Utf8, true),
        ]);
        let bytes = BinaryArray::from_iter(pairs.iter().map(|it| {
            let bytes = &it.images[side];
            (!bytes.is_empty()).then_some(bytes)
        }));
        let paths = StringArray::from_iter(pairs.iter().map(|_| Some("picture")));
        Arc::new(StructArray::new(
            fields,
            vec![Arc::new(bytes), Arc::new(paths)],
            None,
        ))
    };
    let texts = |text: &dyn Fn(&Pair) -> String| -> ArrayRef {
        Arc::new(StringArray::from_iter_values(pairs.iter().map(text)))
    };
    let quality = Float64Array::from_iter_values(pairs.iter().map(|it| it.quality));
    let columns: Vec<(&str, ArrayRef)> = vec![
        ("source_image", images(0)),
        ("edited_image", images(1)),
        ("source_caption", texts(&|it| it.captions[0].clone())),
        ("target_caption", texts(&|it| it.captions[1].clone())),
        ("edit_prompt", texts(&|_| "change it".to_owned())),
        ("category", texts(&|it| it.category.to_owned())),
        ("clip_sim_dir", Arc::new(quality)),
    ];
    write_columns(path, columns);
}

pub fn write_columns(path: &Path, columns: Vec<(&str, ArrayRef)>) {
    let columns = columns.into_iter().map(|(name, array)| (name, array, true));
    let batch = RecordBatch::try_from_iter_with_nullable(columns).unwrap();
    let mut writer =
        ArrowWriter::try_new(File::create(path).unwrap(), batch.schema(), None).unwrap();
    writer.write(&batch).unwrap();
    writer.close().unwrap();
}

/// One line per pair, with the images beside the file.
pub fn write_json_lines(folder: &Path, pairs: &[Pair]) {
    let mut lines = String::new();
    for (i, pair) in pairs.iter().enumerate() {
        for (image, side) in pair.images.iter().zip(["a", "b"]) {
            if !image.is_empty() {
                fs::write(folder.join(format!("{i}{side}.png")), image).unwrap();
            }
        }
        let line = json!({
            "source_image": format!("{i}a.png"), "target_image": format!("{i}b.png"),
            "source_caption": pair.captions[0], "target_caption": pair.captions[1],
            "category": pair.category, "clip_sim_dir": pair.quality,
        });
        lines += &format!("{line}\n");
    }
    fs::write(folder.join("pairs.jsonl"), lines).unwrap();
}

/// A folder of images with text files.
pub fn write_folder(folder: &Path, samples: &[(Vec<u8>, &str)]) {
    for (i, (image, caption)) in samples.iter().enumerate() {
        fs::write(folder.join(format!("{i}.png")), image).unwrap();
        fs::write(folder.join(format!("{i}.txt")), caption).unwrap();
    }
}

/// A webdataset tar; every other caption is in JSON.
pub fn write_tar(path: &Path, samples: &[(Vec<u8>, &str)]) {
    let mut builder = tar::Builder::new(File::create(path).unwrap());
    let mut append = |name: String, content: &[u8]| {
        let mut header = tar::Header::new_gnu();
        header.set_size(content.len() as u64);
        header.set_mode(0o644);
        builder.append_data(&mut header, name, content).unwrap();
    };
    for (i, (image, caption)) in samples.iter().enumerate() {
        append(format!("{i}.png"), image);
        if i % 2 == 0 {
            append(format!("{i}.txt"), caption.as_bytes());
        } else {
            let json = json!({"caption": caption, "caption_long": format!("{caption}, at length")});
            append(format!("{i}.json"), json.to_string().as_bytes());
        }
    }
    builder.finish().unwrap();
}
