//! Where and how finely reference images of a request are looked at: as a stored reference with the same fields says.

use image::{Rgb, RgbImage};
use reqwest::blocking::multipart::{Form, Part};
use serde_json::{Value, json};

use crate::support::parts::{FEW_PIXELS, SCRATCH, SIDE, Shot, encode, png};
use crate::support::server::{Server, assert_alike, base64, failure, success};

fn good() -> Vec<u8> {
    png(Shot::on_a_line(1, false))
}

fn scratched() -> Vec<u8> {
    png(Shot {
        seed: 9,
        scratched: true,
        ..Shot::default()
    })
}

/// The scratch and some room around it: left, top, right, bottom.
fn around() -> [f64; 4] {
    let (x, y, width, height) = SCRATCH;
    [x - 30.0, y - 30.0, x + width + 30.0, y + height + 30.0]
}

/// A mask of the reference's size that leaves the scratch out.
fn mask() -> Vec<u8> {
    let [left, top, right, bottom] = around();
    encode(&RgbImage::from_fn(SIDE, SIDE, |column, row| {
        let (u, v) = (f64::from(column), f64::from(row));
        let is_out = (left..right).contains(&u) && (top..bottom).contains(&v);
        Rgb([if is_out { 0 } else { 255 }; 3])
    }))
}

fn polygon() -> Value {
    let [left, top, right, bottom] = around();
    json!([[[left, top], [right, top], [right, bottom], [left, bottom]]])
}

/// The results with a stored reference that has these fields, and with reference images of the request beside them.
fn both_ways(server: &Server, name: &str, how: &Value) -> (Value, Value) {
    let with = |key: &str, value: Value| {
        let mut body = how.clone();
        body[key] = value;
        body
    };
    let url = format!("{}/v1/references/{name}", server.url);
    let stored = with("images", json!([base64(&good())]));
    success(server.client.put(url).json(&stored).send().unwrap());
    let named = json!({"reference": name, "images": [base64(&scratched())]});
    let mut inline = with("references", json!([base64(&good())]));
    inline["images"] = named["images"].clone();
    let [named, inline] = [named, inline].map(|body| {
        let answer = success(server.post("/v1/compare", &body));
        answer["results"][0].clone()
    });
    (named, inline)
}

#[test]
fn images_of_a_request_are_looked_at_as_stored_ones() {
    let server = Server::start();
    let (_, everything) = both_ways(&server, "everything", &json!({"resolution": FEW_PIXELS}));
    let score = |result: &Value| result["changed"]["score"].as_f64().unwrap();
    for (name, how, finds_it) in [
        ("coarse", json!({"resolution": 128}), true),
        (
            "ignore",
            json!({"resolution": FEW_PIXELS, "ignore": polygon()}),
            false,
        ),
        (
            "regions",
            json!({"resolution": FEW_PIXELS, "regions": polygon()}),
            true,
        ),
        (
            "mask",
            json!({"resolution": FEW_PIXELS, "mask": base64(&mask())}),
            false,
        ),
    ] {
        let (named, inline) = both_ways(&server, name, &how);
        assert_alike(&inline, &named, 1e-4);
        assert_ne!(
            inline["changed"], everything["changed"],
            "{name} changes nothing"
        );
        if !finds_it {
            assert!(
                score(&inline) < 0.5 * score(&everything),
                "{name}: {inline}"
            );
        }
    }
}

#[test]
fn a_form_and_a_query_say_the_same() {
    let server = Server::start();
    let how = json!({"resolution": FEW_PIXELS, "mask": base64(&mask())});
    let (_, expected) = both_ways(&server, "mask", &how);
    let form = Form::new()
        .part("image", Part::bytes(scratched()).file_name("bad.png"))
        .part("reference", Part::bytes(good()).file_name("good.png"))
        .part("mask", Part::bytes(mask()).file_name("mask.png"));
    let url = format!("{}/v1/compare?resolution={FEW_PIXELS}", server.url);
    let answer = success(server.client.post(&url).multipart(form).send().unwrap());
    assert_alike(&answer["results"][0], &expected, 1e-4);

    let how = json!({"resolution": FEW_PIXELS, "ignore": polygon()});
    let (_, expected) = both_ways(&server, "ignore", &how);
    let form = Form::new()
        .part("image", Part::bytes(scratched()).file_name("bad.png"))
        .part("reference", Part::bytes(good()).file_name("good.png"))
        .text("ignore", polygon().to_string())
        .text("resolution", FEW_PIXELS.to_string());
    let url = format!("{}/v1/compare", server.url);
    let answer = success(server.client.post(&url).multipart(form).send().unwrap());
    assert_alike(&answer["results"][0], &expected, 1e-4);
}

#[test]
fn what_cannot_be_looked_at_has_a_code() {
    let server = Server::start();
    let images = json!([base64(&scratched())]);
    let outside = json!([[[0, 0], [9999, 0], [9, 9]]]);
    let other_size = encode(&RgbImage::from_pixel(8, 8, Rgb([255; 3])));
    for (field, value, param) in [
        ("resolution", json!(127), "resolution"),
        ("resolution", json!(961), "resolution"),
        ("regions", outside, "regions[0]"),
        ("ignore", json!([[[0, 0], [1, 1]]]), "ignore[0]"),
        ("mask", json!(base64(&other_size)), "mask"),
    ] {
        let mut body = json!({"references": [base64(&good())], "images": images});
        body[field] = value;
        let (status, _, place) = failure(server.post("/v1/compare", &body));
        assert_eq!((status, place.as_deref()), (400, Some(param)));
    }
    // A stored reference has its own; the request is refused whether or not there is a reference of this name.
    for (field, value) in [
        ("resolution", json!(FEW_PIXELS)),
        ("regions", polygon()),
        ("ignore", polygon()),
        ("mask", json!(base64(&mask()))),
    ] {
        let mut body = json!({"reference": "plate", "images": images});
        body[field] = value;
        let refused = failure(server.post("/v1/compare", &body));
        assert_eq!(refused, (400, "invalid_request".into(), Some(field.into())));
    }
}
