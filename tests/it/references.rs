//! References: stored once, used by name, still there after a restart, with a version for each change.

use std::path::Path;

use reqwest::blocking::multipart::{Form, Part};
use serde_json::{Value, json};

use crate::support::parts::{SCRATCH, Shot, encode, png};
use crate::support::server::models::{DEMO, named, serve};
use crate::support::server::{Server, assert_alike, base64, demo, failure, success};

fn start(state: &Path) -> Server {
    Server::start_with(&["--state", state.to_str().unwrap()])
}

fn ok(seed: u64) -> Vec<u8> {
    png(Shot {
        seed,
        ..Shot::default()
    })
}

fn put(server: &Server, name: &str, body: &Value) -> reqwest::blocking::Response {
    let url = format!("{}/v1/references/{name}", server.url);
    server.client.put(url).json(body).send().unwrap()
}

fn images(seeds: std::ops::Range<u64>) -> Value {
    json!(seeds.map(|seed| base64(&ok(seed))).collect::<Vec<_>>())
}

fn compare(server: &Server, name: &str, image: Vec<u8>) -> Value {
    let path = format!("/v1/compare?reference={name}");
    success(server.post_bytes(&path, "image/png", image))
}

#[test]
fn a_reference_is_stored_listed_replaced_and_deleted() {
    let state = tempfile::tempdir().unwrap();
    let server = start(state.path());
    let response = put(&server, "board", &json!({"images": images(1..3)}));
    assert_eq!(response.status(), 201);
    let made = success(response);
    assert_eq!(
        (
            &made["object"],
            &made["version"],
            &made["images"],
            &made["size"]
        ),
        (
            &json!("reference"),
            &json!(1),
            &json!(2),
            &json!([360, 360])
        )
    );
    assert_eq!(made["model"], DEMO);
    let got = success(server.get("/v1/references/board"));
    assert_eq!(got, made);
    let list = success(server.get("/v1/references"));
    assert_eq!(list["data"], json!([made]));
    // One image alone is enough, also as the body.
    let url = format!("{}/v1/references/board", server.url);
    let raw = server.client.put(&url).header("content-type", "image/png");
    let response = raw.body(ok(7)).send().unwrap();
    assert_eq!(response.status(), 200);
    let replaced = success(response);
    assert_eq!(
        (&replaced["version"], &replaced["images"]),
        (&json!(2), &json!(1))
    );
    assert_eq!(
        success(server.client.delete(&url).send().unwrap())["deleted"],
        true
    );
    let gone = (404, "reference_not_found".into(), Some("reference".into()));
    assert_eq!(failure(server.get("/v1/references/board")), gone);
    assert_eq!(failure(server.client.delete(&url).send().unwrap()), gone);
    let path = "/v1/compare?reference=board";
    assert_eq!(failure(server.post_bytes(path, "image/png", ok(1))), gone);
    let more = format!("{url}/images");
    let form = Form::new().part("image", Part::bytes(ok(3)));
    assert_eq!(
        failure(server.client.post(more).multipart(form).send().unwrap()),
        gone
    );
}

/// Adding images makes the next version, and its scores are those of a reference that had them from the start.
#[test]
fn images_are_added_without_training() {
    let state = tempfile::tempdir().unwrap();
    let server = start(state.path());
    success(put(&server, "grows", &json!({"images": images(1..3)})));
    success(put(&server, "whole", &json!({"images": images(1..5)})));
    let before = compare(&server, "grows", ok(9));
    assert_eq!(
        before["reference"],
        json!({"name": "grows", "version": 1, "images": 2})
    );
    let url = format!("{}/v1/references/grows/images", server.url);
    let form = Form::new()
        .part("image", Part::bytes(ok(3)).file_name("3.png"))
        .part("image", Part::bytes(ok(4)).file_name("4.png"));
    let added = success(server.client.post(&url).multipart(form).send().unwrap());
    assert_eq!(
        (&added["version"], &added["images"]),
        (&json!(2), &json!(4))
    );
    let after = compare(&server, "grows", ok(9));
    assert_eq!(after["reference"]["version"], 2);
    assert_ne!(
        after["results"][0]["changed"],
        before["results"][0]["changed"]
    );
    let whole = compare(&server, "whole", ok(9));
    assert_alike(&after["results"], &whole["results"], 1e-4);
    // What is wrong is named as it was sent, and changes nothing.
    let broken = json!({"images": [base64(&ok(5)), base64(b"GIF89a")]});
    let refused = failure(server.client.post(&url).json(&broken).send().unwrap());
    assert_eq!((refused.0, refused.2), (400, Some("images[1]".into())));
    let other = json!({"images": [base64(&ok(5))], "model": DEMO});
    let refused = failure(server.client.post(&url).json(&other).send().unwrap());
    assert_eq!(refused.1, "invalid_request");
    let none = failure(server.client.post(&url).json(&json!({})).send().unwrap());
    assert_eq!(none, (400, "no_reference".into(), Some("images".into())));
    assert_eq!(success(server.get("/v1/references/grows"))["version"], 2);
}

#[test]
fn a_reference_survives_a_restart_and_another_model_learns_it() {
    let state = tempfile::tempdir().unwrap();
    let server = start(state.path());
    let picture = png(Shot {
        seed: 9,
        scratched: true,
        ..Shot::default()
    });
    success(put(&server, "kept", &json!({"images": images(1..4)})));
    let before = compare(&server, "kept", picture.clone());
    drop(server);
    let server = start(state.path());
    let learnt = server.metric("clip_in_features_seconds_count");
    let after = compare(&server, "kept", picture.clone());
    assert_eq!(after["reference"], before["reference"]);
    let score = |answer: &Value| answer["results"][0]["changed"]["score"].as_f64().unwrap();
    assert!((score(&after) - score(&before)).abs() < 1e-5);
    // Only the picture: what was learnt was stored.
    assert_eq!(
        server.metric("clip_in_features_seconds_count"),
        learnt + 1.0
    );
    drop(server);
    let folder = tempfile::tempdir().unwrap();
    let other = named(folder.path(), "other");
    let arguments = ["--state", state.path().to_str().unwrap()];
    let server = Server::launch(&mut serve(&[&other, &demo()], &arguments));
    let again = compare(&server, "kept", picture);
    assert_eq!(
        (&again["model"], &again["reference"]),
        (&json!("other"), &before["reference"])
    );
    // The same graph of features, under another name.
    assert!((score(&again) - score(&before)).abs() < 1e-5);
    let asked = json!({"reference": "kept", "model": DEMO, "images": [base64(&ok(1))]});
    assert_eq!(
        failure(server.post("/v1/compare", &asked)),
        (400, "reference_of_other_model".into(), Some("model".into()))
    );
}

#[test]
fn what_cannot_be_a_reference_is_refused() {
    let state = tempfile::tempdir().unwrap();
    let server = Server::start_with(&[
        "--state",
        state.path().to_str().unwrap(),
        "--max-reference-images",
        "3",
        "--max-references-mib",
        "17",
    ]);
    let wide = image::RgbImage::from_pixel(200, 100, image::Rgb([9, 9, 9]));
    let wide = crate::support::parts::encode(&wide);
    let square = vec![[[0, 0], [361, 0], [10, 10]]];
    for (name, body, expected) in [
        (
            ".hidden",
            json!({"images": images(1..2)}),
            (400, "invalid_reference_name", Some("name")),
        ),
        ("a", json!({}), (400, "no_reference", Some("images"))),
        (
            "a",
            json!({"images": []}),
            (400, "no_reference", Some("images")),
        ),
        (
            "a",
            json!({"images": images(1..5)}),
            (400, "too_many_items", Some("images")),
        ),
        (
            "a",
            json!({"images": [base64(&ok(1)), base64(&wide)]}),
            (400, "image_of_other_shape", Some("images[1]")),
        ),
        (
            "a",
            json!({"images": [base64(b"no image")]}),
            (400, "image_unknown_format", Some("images[0]")),
        ),
        (
            "a",
            json!({"images": ["%"]}),
            (400, "invalid_base64", Some("images[0]")),
        ),
        (
            "a",
            json!({"images": ["https://example.com/x.png"]}),
            (400, "url_not_allowed", Some("images[0]")),
        ),
        (
            "a",
            json!({"images": images(1..2), "model": "none"}),
            (404, "model_not_found", Some("model")),
        ),
        (
            "a",
            json!({"images": images(1..2), "regions": square}),
            (400, "invalid_request", Some("regions[0]")),
        ),
        (
            "a",
            json!({"images": images(1..2), "ignore": [[[0, 0], [1, 1]]]}),
            (400, "invalid_request", Some("ignore[0]")),
        ),
        (
            "a",
            json!({"images": images(1..2), "ignore": [[[0, 0], [360, 0], [360, 360], [0, 360]]]}),
            (400, "invalid_request", Some("regions")),
        ),
        (
            "a",
            json!({"images": images(1..2), "regions": [vec![[1, 1]; 5000]]}),
            (400, "invalid_request", Some("regions")),
        ),
    ] {
        let (status, code, param) = failure(put(&server, name, &body));
        assert_eq!(
            (status, code.as_str(), param.as_deref()),
            expected,
            "{name} {body:.80}"
        );
    }
    assert_eq!(success(server.get("/v1/references"))["data"], json!([]));
    // Two references of 8 MiB and their images fit into 17 MiB, a third one does not.
    success(put(&server, "a", &json!({"images": images(1..2)})));
    success(put(&server, "b", &json!({"images": images(1..2)})));
    let third = failure(put(&server, "c", &json!({"images": images(1..2)})));
    assert_eq!((third.0, third.1.as_str()), (409, "too_many_references"));
    success(put(&server, "b", &json!({"images": images(2..3)})));
}

/// A strip of a line camera: woven stripes with a little noise, and a scratch of 40 x 8 pixels if wanted.
fn strip(seed: u64, scratched: bool) -> Vec<u8> {
    let mut noise = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let pixel = |x: u32, y: u32| {
        noise ^= noise << 13;
        noise ^= noise >> 7;
        noise ^= noise << 17;
        let woven = 130.0 + 25.0 * (f64::from(x) / 9.0).sin() * (f64::from(y) / 7.0).cos();
        let on_scratch = scratched && (5000..5040).contains(&x) && (90..98).contains(&y);
        let value = woven + (noise % 7) as f64 - if on_scratch { 70.0 } else { 0.0 };
        image::Rgb([value as u8, value as u8, (value * 0.9) as u8])
    };
    encode(&image::RgbImage::from_fn(8192, 200, pixel))
}

#[test]
fn a_line_scan_is_compared_in_its_own_shape() {
    let state = tempfile::tempdir().unwrap();
    let server = start(state.path());
    let images: Vec<_> = (1..=10).map(|seed| base64(&strip(seed, false))).collect();
    let made = success(put(
        &server,
        "strip",
        &json!({"images": images, "resolution": 960}),
    ));
    assert_eq!(made["compared_size"], json!([6144, 144]));
    let (good, bad) = (
        compare(&server, "strip", strip(11, false)),
        compare(&server, "strip", strip(12, true)),
    );
    let score = |answer: &Value| answer["results"][0]["changed"]["score"].as_f64().unwrap();
    assert!(
        score(&bad) > score(&good) + 3.0,
        "{} {}",
        score(&bad),
        score(&good)
    );
    let region = &bad["results"][0]["regions"][0];
    let side = |name: &str| region[name].as_f64().unwrap();
    let middle = (
        side("x") + side("width") / 2.0,
        side("y") + side("height") / 2.0,
    );
    assert!(
        (middle.0 - 5020.0).abs() < 30.0 && (middle.1 - 94.0).abs() < 30.0,
        "{region}"
    );
    assert!(side("width") < 250.0, "{region}");
}

#[test]
fn a_reference_chooses_with_how_many_pixels_parts_are_compared() {
    let state = tempfile::tempdir().unwrap();
    let server = start(state.path());
    let usual = success(put(&server, "usual", &json!({"images": images(1..3)})));
    assert_eq!(usual["compared_size"], json!([448, 448]));
    assert_eq!(usual.get("resolution"), None);
    let scratched = png(Shot {
        seed: 9,
        scratched: true,
        ..Shot::default()
    });
    for (side, size) in [(224, [224, 224]), (640, [640, 640]), (250, [256, 256])] {
        let body = json!({"images": images(1..4), "resolution": side});
        let made = success(put(&server, "board", &body));
        assert_eq!(
            (&made["resolution"], &made["compared_size"]),
            (&json!(side), &json!(size))
        );
        // Regions are given in pixels of the posted picture, at every resolution.
        let changed = compare(&server, "board", scratched.clone());
        let score = |answer: &Value| answer["results"][0]["changed"]["score"].as_f64().unwrap();
        assert!(
            score(&changed) > score(&compare(&server, "board", ok(10))) + 1.0,
            "{side}"
        );
        let region = &changed["results"][0]["regions"][0];
        let middle = |start: &str, length: &str| {
            region[start].as_f64().unwrap() + region[length].as_f64().unwrap() / 2.0
        };
        let (x, y, width, height) = SCRATCH;
        let off = (middle("x", "width") - x - width / 2.0).abs();
        let off = off.max((middle("y", "height") - y - height / 2.0).abs());
        assert!(off < 20.0, "{side}: {region}");
    }
    let added = server.post(
        "/v1/references/board/images",
        &json!({"images": images(5..6)}),
    );
    assert_eq!(success(added)["resolution"], 250);
    // Forms and query parameters have the field, too.
    let path = format!("{}/v1/references/form", server.url);
    let file = || Part::bytes(ok(1)).mime_str("image/png").unwrap();
    let form = Form::new().part("image", file()).text("resolution", "160");
    let made = success(server.client.put(&path).multipart(form).send().unwrap());
    assert_eq!(made["compared_size"], json!([160, 160]));
    let raw = server.client.put(format!("{path}?resolution=192"));
    let raw = raw.header("content-type", "image/png").body(ok(1));
    assert_eq!(
        success(raw.send().unwrap())["compared_size"],
        json!([192, 192])
    );
    for wrong in [json!(127), json!(961)] {
        let body = json!({"images": images(1..2), "resolution": wrong});
        let (status, code, param) = failure(put(&server, "wrong", &body));
        assert_eq!(
            (status, &*code, param.as_deref()),
            (400, "invalid_request", Some("resolution"))
        );
    }
    // A line's own reference has one; a stored reference has its own.
    let line = format!("{}/v1/lines/line", server.url);
    let put_line = |body: &Value| server.client.put(&line).json(body).send().unwrap();
    success(put_line(
        &json!({"references": images(1..3), "resolution": 320}),
    ));
    let own = success(server.get("/v1/references/line.line"));
    assert_eq!(own["compared_size"], json!([320, 320]));
    let (status, _, param) = failure(put_line(&json!({"reference": "board", "resolution": 320})));
    assert_eq!((status, param.as_deref()), (400, Some("references")));
}
