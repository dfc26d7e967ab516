//! `/v1/explain`: maps, regions and scores of the demo model's drawn scenes, whose objects lie at known places.

use std::io::Cursor;

use ::base64::Engine as _;
use ::base64::engine::general_purpose::STANDARD;

use crate::support::grpc_client::{RawClient, Region, code_of, runtime};
use crate::support::server::{Server, base64, demo, failure, fixture, program, success};
use clip_in::preprocess::{Limits, decode};
use prost::Message as _;
use reqwest::blocking::Response;
use reqwest::blocking::multipart::{Form, Part};
use serde_json::{Value, json};

const SIDE: usize = 384;

/// Sample, a text about its object, and where the object lies: left, top, right, bottom in hundredths of the scene.
const OBJECTS: [(usize, &str, [usize; 4]); 6] = [
    (1, "a green gear", [12, 27, 57, 72]),
    (2, "a red wall switch", [27, 8, 67, 56]),
    (3, "a yellow switch", [15, 25, 60, 76]),
    (6, "a red mug", [13, 27, 54, 56]),
    (7, "a white chip", [9, 32, 55, 67]),
    (8, "an orange switch", [33, 46, 74, 96]),
];

struct Rgb {
    width: usize,
    height: usize,
    pixels: Vec<u8>,
}

fn scene(sample: usize) -> Rgb {
    let file = std::fs::read(demo().join(format!("samples/{sample}.webp"))).unwrap();
    let image = decode(&file, &Limits::default(), false).unwrap();
    Rgb {
        width: image.width() as usize,
        height: image.height() as usize,
        pixels: image.into_pixels(),
    }
}

impl Rgb {
    /// The scene in the middle of a grey picture of another size.
    fn on_grey(&self, width: usize, height: usize) -> Self {
        let mut pixels = vec![128; width * height * 3];
        let (left, top) = ((width - self.width) / 2, (height - self.height) / 2);
        for (row, line) in self.pixels.chunks_exact(self.width * 3).enumerate() {
            pixels[((top + row) * width + left) * 3..][..line.len()].copy_from_slice(line);
        }
        Self {
            width,
            height,
            pixels,
        }
    }

    fn png(&self) -> Vec<u8> {
        let mut file = Vec::new();
        let mut encoder = png::Encoder::new(&mut file, self.width as u32, self.height as u32);
        encoder.set_color(png::ColorType::Rgb);
        let mut writer = encoder.write_header().unwrap();
        writer.write_image_data(&self.pixels).unwrap();
        writer.finish().unwrap();
        file
    }
}

/// Size, bytes a pixel and pixels of a PNG.
fn read_png(file: &[u8]) -> (usize, usize, usize, Vec<u8>) {
    let mut decoder = png::Decoder::new(Cursor::new(file));
    decoder.set_transformations(png::Transformations::EXPAND);
    let mut reader = decoder.read_info().unwrap();
    let mut pixels = vec![0; reader.output_buffer_size().unwrap()];
    let info = reader.next_frame(&mut pixels).unwrap();
    let (width, height) = (info.width as usize, info.height as usize);
    (width, height, pixels.len() / (width * height), pixels)
}

fn unpacked(map: &Value) -> Vec<u8> {
    STANDARD.decode(map.as_str().unwrap()).unwrap()
}

/// Width, height, and the values of a map that was asked for as `values`.
fn values(map: &Value) -> (usize, usize, Vec<f32>) {
    values_of(&unpacked(map))
}

fn values_of(file: &[u8]) -> (usize, usize, Vec<f32>) {
    let (width, height, bytes, pixels) = read_png(file);
    assert_eq!(bytes, 2);
    let values = pixels
        .chunks_exact(2)
        .map(|pair| f32::from(u16::from_be_bytes([pair[0], pair[1]])) * 8.0 / 65535.0);
    (width, height, values.collect())
}

fn explain(server: &Server, image: &[u8], texts: &[&str], map: Value) -> Value {
    let body = json!({"images": [base64(image)], "texts": texts, "map": map});
    success(server.post("/v1/explain", &body))
}

/// Status and code of an error.
fn refused(response: Response) -> (u16, String) {
    let (status, code, _) = failure(response);
    (status, code)
}

/// The largest difference of two maps.
fn off(one: &[f32], other: &[f32]) -> f32 {
    assert_eq!(one.len(), other.len());
    let each = one.iter().zip(other).map(|(a, b)| (a - b).abs());
    each.fold(0.0, f32::max)
}

/// Column and row of the largest value.
fn peak(width: usize, values: &[f32]) -> (usize, usize) {
    let at = (0..values.len())
        .max_by(|a, b| values[*a].total_cmp(&values[*b]))
        .unwrap();
    (at % width, at / width)
}

#[test]
fn the_largest_value_lies_in_the_object_that_the_text_names() {
    let server = Server::start();
    for (sample, text, [left, top, right, bottom]) in OBJECTS {
        let scene = scene(sample);
        // As it is; wide and tall, where the encoder sees the middle alone; larger than its input by another ratio.
        for (width, height) in [(SIDE, SIDE), (1001, SIDE), (SIDE, 777), (640, 600)] {
            let posted = scene.on_grey(width, height);
            let answer = explain(&server, &posted.png(), &[text], json!("values"));
            let result = &answer["results"][0];
            assert_eq!(
                (&result["width"], &result["height"]),
                (&json!(width), &json!(height))
            );
            let explanation = &result["explanations"][0];
            let (map_width, map_height, map) = values(&explanation["map"]);
            assert_eq!((map_width, map_height), (width, height));
            let (x, y) = peak(width, &map);
            let (from_x, from_y) = ((width - SIDE) / 2, (height - SIDE) / 2);
            // Where the scene is a part of what the encoder sees, objects are as large as a few of its 8 x 8 patches: the
            // largest value may lie half a patch outside.
            let is_small = (width, height) == (640, 600);
            let room = if is_small { width.min(height) / 16 } else { 0 };
            let inside = |at: usize, from: usize, first: usize, last: usize| {
                let (first, last) = (from + first * SIDE / 100, from + last * SIDE / 100);
                (first.saturating_sub(room)..=last + room).contains(&at)
            };
            assert!(
                inside(x, from_x, left, right) && inside(y, from_y, top, bottom),
                "{text} in {width}x{height}: ({x}, {y})"
            );
            // The strongest region holds the largest value. A small object on much grey may not stand out.
            let regions = explanation["regions"].as_array().unwrap();
            assert!(!regions.is_empty() || is_small, "{text}");
            for region in regions.iter().take(1) {
                let number = |name: &str| region[name].as_u64().unwrap() as usize;
                let (first_x, first_y) = (number("x"), number("y"));
                assert!(
                    (first_x..first_x + number("width")).contains(&x),
                    "{region} {x}"
                );
                assert!(
                    (first_y..first_y + number("height")).contains(&y),
                    "{region} {y}"
                );
                assert!(first_x + number("width") <= width && first_y + number("height") <= height);
            }
            // What was cropped away has no value.
            let crop = |long: usize, short: usize| (long - short.min(long)) / 2;
            let (cut_x, cut_y) = (crop(width, height), crop(height, width));
            for (pixel, value) in map.iter().enumerate() {
                let (x, y) = (pixel % width, pixel / width);
                let cropped = x + 6 < cut_x
                    || x > width - cut_x + 6
                    || y + 6 < cut_y
                    || y > height - cut_y + 6;
                assert!(!cropped || *value == 0.0, "({x}, {y}): {value}");
            }
        }
    }
}

#[test]
fn patches_point_to_the_object_too() {
    let server = Server::start();
    let images = OBJECTS.map(|(sample, ..)| base64(&scene(sample).png()));
    let texts = OBJECTS.map(|(_, text, _)| text);
    let body = json!({"images": images, "texts": texts, "map": "values", "method": "patches"});
    let answer = success(server.post("/v1/explain", &body));
    for (i, (_, text, [left, top, right, bottom])) in OBJECTS.into_iter().enumerate() {
        let (width, _, map) = values(&answer["results"][i]["explanations"][i]["map"]);
        let (x, y) = peak(width, &map);
        let (x, y) = (x * 100 / SIDE, y * 100 / SIDE);
        let inside = (left..=right).contains(&x) && (top..=bottom).contains(&y);
        assert!(inside, "{text}: ({x}, {y})");
    }
}

#[test]
fn scores_are_those_of_similarity_and_texts_keep_their_order() {
    let server = Server::start();
    let images = [1, 2].map(|sample| base64(&scene(sample).png()));
    let texts = ["a red wall switch", "a green gear", "a bottle"];
    let body = json!({"images": images, "texts": texts});
    let compared = success(server.post("/v1/similarity", &body));
    let explained = success(server.post("/v1/explain", &body));
    assert_eq!(explained["usage"], compared["usage"]);
    for (i, result) in explained["results"].as_array().unwrap().iter().enumerate() {
        assert_eq!(result["index"], i);
        for (t, found) in result["explanations"]
            .as_array()
            .unwrap()
            .iter()
            .enumerate()
        {
            assert_eq!(
                (&found["index"], &found["text"]),
                (&json!(t), &json!(texts[t]))
            );
            assert_eq!(found["map"], Value::Null);
            let off = found["score"].as_f64().unwrap() - compared["scores"][i][t].as_f64().unwrap();
            assert!(off.abs() < 1e-5, "{found}");
        }
    }
    // What is true stands out more than what is false.
    let strongest = |image: usize, text: usize| {
        let found = &explained["results"][image]["explanations"][text]["regions"][0]["strength"];
        found.as_f64().unwrap_or(0.0)
    };
    for (image, what_is_true) in [(0, 1), (1, 0)] {
        let all = [0, 1, 2].map(|text| strongest(image, text));
        let best = (0..3).max_by(|a, b| all[*a].total_cmp(&all[*b]));
        assert_eq!(best, Some(what_is_true), "{all:?}");
    }
}

#[test]
fn an_image_alone_and_among_others_has_the_same_map() {
    let server = Server::start();
    let picture = scene(3).png();
    let alone = explain(&server, &picture, &["a yellow switch"], json!("values"));
    let mut images: Vec<String> = (0..9).map(|i| base64(&scene(i).png())).collect();
    images.push(base64(&picture));
    let body = json!({"images": images, "texts": ["a bolt", "a yellow switch"], "map": "values"});
    let together = success(server.post("/v1/explain", &body));
    let (_, _, one) = values(&alone["results"][0]["explanations"][0]["map"]);
    let (_, _, other) = values(&together["results"][9]["explanations"][1]["map"]);
    assert!(off(&one, &other) < 1e-3);
}

#[test]
fn every_form_of_a_request_gives_the_same_answer() {
    let server = Server::start();
    let image = scene(1).png();
    let text = "a green gear";
    let expected = explain(&server, &image, &[text], json!(true));
    let form = Form::new()
        .part("image", Part::bytes(image.clone()).file_name("a.png"))
        .text("text", text)
        .text("map", "true");
    let url = format!("{}/v1/explain", server.url);
    let from_form = success(server.client.post(&url).multipart(form).send().unwrap());
    let raw = server
        .client
        .post(&url)
        .query(&[("text", text), ("map", "colours")])
        .header("content-type", "image/png")
        .header("x-clip-in-lane", "bulk")
        .body(image.clone())
        .send();
    let raw = success(raw.unwrap());
    let boxed = |answer: &Value| {
        let found = &answer["results"][0]["explanations"][0];
        let region = &found["regions"][0];
        assert_eq!(found["text"], text);
        ["x", "y", "width", "height"].map(|side| region[side].as_i64().unwrap())
    };
    // A batch of other items may change the last digits.
    for other in [&from_form, &raw] {
        let mut pairs = boxed(other).into_iter().zip(boxed(&expected));
        assert!(pairs.all(|(a, b)| (a - b).abs() <= 2));
        assert!(other["results"][0]["explanations"][0]["map"].is_string());
    }
    // Colours: transparent where nothing stands out, which is nearly everywhere.
    let map = unpacked(&expected["results"][0]["explanations"][0]["map"]);
    let (width, height, bytes, pixels) = read_png(&map);
    assert_eq!((width, height, bytes), (SIDE, SIDE, 4));
    let coloured = pixels.chunks_exact(4).filter(|pixel| pixel[3] > 0).count();
    assert!(coloured > 100 && coloured < SIDE * SIDE / 2, "{coloured}");
}

fn as_png(server: &Server, query: &[(&str, &str)], image: Vec<u8>) -> Response {
    server
        .client
        .post(format!("{}/v1/explain", server.url))
        .query(query)
        .header("content-type", "image/png")
        .header("accept", "image/png")
        .body(image)
        .send()
        .unwrap()
}

#[test]
fn a_png_is_the_answer_to_those_who_accept_it() {
    let server = Server::start();
    let posted = scene(1).on_grey(800, 500);
    let text = ("text", "a green gear");
    let answer = as_png(&server, &[text], posted.png());
    assert_eq!(answer.headers()["content-type"], "image/png");
    let (width, height, bytes, over) = read_png(&answer.bytes().unwrap());
    assert_eq!((width, height, bytes), (800, 500, 3));
    // The picture, with colours on a part of it.
    let pairs = over.chunks_exact(3).zip(posted.pixels.chunks_exact(3));
    let changed = pairs.filter(|(over, under)| over != under).count();
    assert!(changed > 100 && changed < 800 * 500 / 2, "{changed}");

    let answer = as_png(&server, &[text, ("map", "values")], posted.png());
    assert_eq!(read_png(&answer.bytes().unwrap()).2, 2);
    let two = [text, ("text", "a bolt")];
    assert_eq!(
        refused(as_png(&server, &two, posted.png())),
        (400, "invalid_request".into())
    );
    let none = [text, ("map", "false")];
    assert_eq!(
        refused(as_png(&server, &none, posted.png())),
        (400, "invalid_request".into())
    );
    assert_eq!(
        refused(as_png(&server, &[], posted.png())),
        (400, "no_texts".into())
    );
}

/// The messages of the call, as a client generates them.
#[derive(Clone, PartialEq, prost::Message)]
struct ExplainRequest {
    #[prost(bytes = "vec", repeated, tag = "2")]
    images: Vec<Vec<u8>>,
    #[prost(string, repeated, tag = "3")]
    texts: Vec<String>,
    #[prost(int32, tag = "4")]
    map: i32,
}

#[derive(Clone, PartialEq, prost::Message)]
struct ExplainResponse {
    #[prost(message, repeated, tag = "2")]
    results: Vec<ImageExplanations>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct ImageExplanations {
    #[prost(uint32, tag = "1")]
    width: u32,
    #[prost(uint32, tag = "2")]
    height: u32,
    #[prost(message, repeated, tag = "3")]
    explanations: Vec<Explanation>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct Explanation {
    #[prost(float, tag = "1")]
    score: f32,
    #[prost(message, repeated, tag = "2")]
    regions: Vec<Region>,
    #[prost(bytes = "vec", tag = "3")]
    map: Vec<u8>,
}

#[test]
fn grpc_answers_what_rest_answers() {
    let server = Server::start();
    let image = scene(2).on_grey(500, 400).png();
    let texts = ["a red wall switch", "a coin"];
    let expected = explain(&server, &image, &texts, json!("values"));
    let request = |map, texts: &[&str]| ExplainRequest {
        images: vec![image.clone()],
        texts: texts.iter().map(|text| (*text).to_owned()).collect(),
        map,
    };
    runtime().block_on(async {
        let mut client = RawClient::connect(&server.url, false).await;
        let path = "/clip_in.v1.ClipIn/Explain";
        let message = request(2, &texts).encode_to_vec();
        let answer = client.unary(path, message.into()).await.unwrap();
        let answer = ExplainResponse::decode(answer).unwrap();
        let (found, expected) = (&answer.results[0], &expected["results"][0]);
        assert_eq!((found.width, found.height), (500, 400));
        for (found, expected) in found
            .explanations
            .iter()
            .zip(expected["explanations"].as_array().unwrap())
        {
            assert!((f64::from(found.score) - expected["score"].as_f64().unwrap()).abs() < 1e-5);
            let (_, _, one) = values_of(&found.map);
            assert!(off(&one, &values(&expected["map"]).2) < 1e-3);
            let regions = expected["regions"].as_array().unwrap();
            assert_eq!(found.regions.len(), regions.len());
            for (found, expected) in found.regions.iter().zip(regions) {
                let near =
                    |a: u32, side: &str| a.abs_diff(expected[side].as_u64().unwrap() as u32) <= 2;
                assert!(near(found.x, "x") && near(found.y, "y"));
                assert!(near(found.width, "width") && near(found.height, "height"));
                let strength = expected["strength"].as_f64().unwrap();
                assert!((f64::from(found.strength) - strength).abs() < 1e-3);
            }
        }
        assert!(!found.explanations[0].regions.is_empty());
        for (map, texts, code) in [
            (9, &texts[..1], "invalid_request"),
            (3, &texts[..], "invalid_request"),
            (0, &[], "no_texts"),
        ] {
            let wrong = request(map, texts).encode_to_vec();
            let error = client.unary(path, wrong.into()).await.unwrap_err();
            assert_eq!(code_of(&error), code);
        }
    });
}

#[test]
fn bad_input_has_its_code() {
    let server = Server::start_with(&["--max-items", "100"]);
    let image = base64(&fixture("rgb.png"));
    let many = |n: usize| vec!["a bolt"; n];
    for (body, code) in [
        (json!({"texts": ["a"]}), "no_images"),
        (json!({"images": [image]}), "no_texts"),
        (
            json!({"images": [image], "texts": ["a"], "map": "heat"}),
            "invalid_request",
        ),
        (
            json!({"images": [image], "texts": ["a"], "map": 1}),
            "invalid_request",
        ),
        (
            json!({"images": [image], "texts": ["a"], "map": ["true"]}),
            "invalid_request",
        ),
        (
            json!({"images": [image], "texts": ["a", "b"], "map": "overlay"}),
            "invalid_request",
        ),
        (
            json!({"images": [image], "texts": ["a"], "labelset": "x"}),
            "invalid_request",
        ),
        (
            json!({"images": ["AAAA"], "texts": ["a"]}),
            "image_unknown_format",
        ),
        (
            json!({"images": [base64(&fixture("truncated.png"))], "texts": ["a"]}),
            "image_corrupt",
        ),
        (
            json!({"images": [image], "texts": ["a"], "model": "other"}),
            "model_not_found",
        ),
        (
            json!({"images": [image], "texts": ["a"], "method": "guess"}),
            "invalid_request",
        ),
        (
            json!({"images": [image], "texts": ["a"], "method": true}),
            "invalid_request",
        ),
        // 65 runs of the encoder an image.
        (
            json!({"images": [image, image], "texts": ["a"]}),
            "too_many_items",
        ),
        // Each alone is few enough; their pairs are not.
        (
            json!({"images": vec![image.clone(); 11], "texts": many(10), "method": "patches"}),
            "too_many_items",
        ),
        (
            json!({"images": [image], "texts": many(100)}),
            "too_many_items",
        ),
    ] {
        let (_, found) = refused(server.post("/v1/explain", &body));
        assert_eq!(
            found,
            code,
            "{}",
            body.to_string().get(..200).unwrap_or_default()
        );
    }
    // A picture of one pixel has a map of one pixel.
    let one = explain(
        &server,
        &fixture("one-pixel.png"),
        &["a bolt"],
        json!("values"),
    );
    let (width, height, _) = values(&one["results"][0]["explanations"][0]["map"]);
    assert_eq!((width, height), (1, 1));
    let column = explain(
        &server,
        &fixture("one-column.png"),
        &["a bolt"],
        json!(true),
    );
    assert_eq!(column["results"][0]["width"], 1);
    // Other routes do not know the field.
    let other = json!({"images": [image], "texts": ["a"], "map": "heat", "method": {"a": [1]}});
    success(server.post("/v1/similarity", &other));
}

#[test]
fn a_bundle_without_patches_is_explained_but_not_by_patches() {
    let folder = tempfile::tempdir().unwrap();
    for entry in std::fs::read_dir(demo()).unwrap() {
        let entry = entry.unwrap();
        if entry.file_type().unwrap().is_file() {
            std::fs::copy(entry.path(), folder.path().join(entry.file_name())).unwrap();
        }
    }
    for inner in ["golden", "samples"] {
        std::fs::create_dir(folder.path().join(inner)).unwrap();
        for entry in std::fs::read_dir(demo().join(inner)).unwrap() {
            let entry = entry.unwrap();
            let to = folder.path().join(inner).join(entry.file_name());
            std::fs::copy(entry.path(), to).unwrap();
        }
    }
    let manifest = folder.path().join("bundle.json");
    let mut content: Value = serde_json::from_slice(&std::fs::read(&manifest).unwrap()).unwrap();
    content["image"]["patch_output"] = Value::Null;
    content["image"]["patch_grid"] = Value::Null;
    std::fs::write(&manifest, serde_json::to_vec(&content).unwrap()).unwrap();
    let mut command = program();
    command
        .args(["serve", "--listen", "127.0.0.1:0", "--model"])
        .arg(folder.path());
    let server = Server::launch(&mut command);
    let image = base64(&fixture("rgb.png"));
    let body = json!({"images": [image], "texts": ["a"], "method": "patches"});
    let (status, code, param) = failure(server.post("/v1/explain", &body));
    assert_eq!((status, code.as_str()), (400, "model_has_no_patches"));
    assert_eq!(param.as_deref(), Some("method"));
    let (_, text, [left, top, right, bottom]) = OBJECTS[0];
    let answer = explain(&server, &scene(1).png(), &[text], json!("values"));
    let (width, _, map) = values(&answer["results"][0]["explanations"][0]["map"]);
    let (x, y) = peak(width, &map);
    let (x, y) = (x * 100 / SIDE, y * 100 / SIDE);
    assert!((left..=right).contains(&x) && (top..=bottom).contains(&y));
}

#[test]
fn maps_and_answers_are_counted_before_they_are_made() {
    let server = Server::start();
    // 40 megapixels of one colour: few bytes, but a large picture under a map.
    let large = Rgb {
        width: 8000,
        height: 5000,
        pixels: vec![90; 8000 * 5000 * 3],
    };
    let (image, before) = (base64(&large.png()), server.resident_bytes());
    let body = |map: Value| json!({"images": [image], "texts": ["a red bolt"], "map": map});
    let answer = server.post("/v1/explain", &body(json!("overlay")));
    assert_eq!(refused(answer), (413, "answer_too_large".into()));
    let map = success(server.post("/v1/explain", &body(json!("values"))));
    let (width, height, _) = values(&map["results"][0]["explanations"][0]["map"]);
    assert_eq!((width, height), (8000, 5000));
    // Texts that every image repeats.
    let small = base64(&fixture("420.jpg"));
    let texts: Vec<_> = (0..60)
        .map(|i| format!("{i} {}", "x".repeat(100_000)))
        .collect();
    let body = json!({"images": vec![small; 30], "texts": texts});
    let answer = server.post("/v1/explain", &body);
    assert_eq!(refused(answer), (413, "answer_too_large".into()));
    // The decoded picture, its map's PNG, and the bodies.
    let grown = server.peak_bytes() - before;
    assert!(grown < 500 << 20, "{} MiB", grown >> 20);
}
