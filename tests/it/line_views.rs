//! Lines with several views of a part, each compared with a reference of its own.

use reqwest::blocking::Response;
use reqwest::blocking::multipart::{Form, Part};
use serde_json::{Value, json};

use crate::support::parts::{FEW_PIXELS, Shot, drawn, encode};
use crate::support::server::{Server, base64, failure, success};

/// What a camera sees of a part: it from above, or turned upside down from below.
fn view(seed: u64, from_below: bool, scratched: bool) -> Vec<u8> {
    let seen = drawn(Shot::on_a_line(seed, scratched));
    match from_below {
        true => encode(&image::imageops::rotate180(&seen)),
        false => encode(&seen),
    }
}

fn put(server: &Server, path: &str, body: &Value) -> Response {
    let url = format!("{}{path}", server.url);
    server.client.put(url).json(body).send().unwrap()
}

fn inspect(server: &Server, images: &[Vec<u8>]) -> Response {
    let mut form = Form::new();
    for image in images {
        form = form.part("image", Part::bytes(image.clone()).file_name("view.png"));
    }
    let url = format!("{}/v1/lines/board/inspections", server.url);
    server.client.post(url).multipart(form).send().unwrap()
}

#[test]
fn each_view_is_compared_with_its_reference() {
    let server = Server::start();
    for (name, from_below) in [("above", false), ("below", true)] {
        let images: Vec<_> = (1..4)
            .map(|seed| base64(&view(seed, from_below, false)))
            .collect();
        let path = format!("/v1/references/{name}");
        success(put(
            &server,
            &path,
            &json!({"images": images, "resolution": FEW_PIXELS}),
        ));
    }
    let made = success(put(
        &server,
        "/v1/lines/board",
        &json!({"views": ["above", "below"]}),
    ));
    assert_eq!(
        (&made["views"], &made["reference"]),
        (&json!(["above", "below"]), &json!("above"))
    );

    let part = [view(20, false, false), view(20, true, false)];
    let good = success(inspect(&server, &part));
    let scratched = [part[0].clone(), view(20, true, true)];
    let bad = success(inspect(&server, &scratched));
    let score = |answer: &Value| answer["score"].as_f64().unwrap();
    assert!(score(&bad) > 2.0 * score(&good), "{bad} {good}");
    assert_eq!(bad["regions"][0]["image"], 1, "{bad}");
    // The score is that of the view alone with its reference.
    let url = format!("{}/v1/compare?reference=below", server.url);
    let request = server.client.post(url).header("content-type", "image/png");
    let alone = success(request.body(scratched[1].clone()).send().unwrap());
    assert_eq!(bad["score"], alone["results"][0]["changed"]["score"]);
    // Each view has its map.
    let map = server.get(&format!(
        "{}?view=1&map=values",
        bad["map_url"].as_str().unwrap()
    ));
    let url = format!("{}/v1/compare?reference=below&map=values", server.url);
    let request = server.client.post(url).header("accept", "image/png");
    let request = request.header("content-type", "image/png");
    let compared = request.body(scratched[1].clone()).send().unwrap();
    assert_eq!(map.bytes().unwrap(), compared.bytes().unwrap());

    // In the wrong order, too many, too few.
    let swapped = [part[1].clone(), part[0].clone()];
    let swapped = success(inspect(&server, &swapped));
    assert!(score(&swapped) > 2.0 * score(&good), "{swapped}");
    for wrong in [&part[..1], &[part.clone(), part.clone()].concat()] {
        let (status, code, field) = failure(inspect(&server, wrong));
        assert_eq!((status, code.as_str()), (400, "invalid_request"));
        assert_eq!(field.as_deref(), Some("image"));
    }
    let broken = [part[0].clone(), b"no picture".to_vec()];
    let error = inspect(&server, &broken).json::<Value>().unwrap()["error"].clone();
    assert_eq!(error["param"], "images[1]", "{error}");

    // A calibration of these scores does not count for another reference of one view.
    let labelled = json!({"declared": "all of lot 1", "parts": [{
        "lot": "1", "class": "ok", "images": [base64(&part[0]), base64(&part[1])],
    }]});
    success(server.post("/v1/lines/board/calibrations", &labelled));
    let parts = || success(server.get("/v1/lines/board"))["parts"].clone();
    assert_eq!(
        (&parts()["ok"], &parts()["left_out"]),
        (&json!(1), &json!(0))
    );
    let more = json!({"images": [base64(&view(9, true, false))]});
    success(server.post("/v1/references/below/images", &more));
    assert_eq!(
        (&parts()["ok"], &parts()["left_out"]),
        (&json!(0), &json!(1))
    );
}

#[test]
fn views_are_checked_when_the_line_is_made() {
    let server = Server::start();
    let made = json!({"images": [base64(&view(1, false, false))]});
    success(put(&server, "/v1/references/above", &made));
    for (body, expected) in [
        (
            json!({"views": ["above", "nothing"]}),
            (404, "reference_not_found"),
        ),
        (
            json!({"views": ["above"], "reference": "above"}),
            (400, "invalid_request"),
        ),
        (json!({"views": vec!["above"; 17]}), (400, "too_many_items")),
    ] {
        let (status, code, _) = failure(put(&server, "/v1/lines/board", &body));
        assert_eq!((status, code.as_str()), expected, "{body}");
    }
    success(put(
        &server,
        "/v1/lines/board",
        &json!({"views": ["above"]}),
    ));
    // A change of something else keeps the views.
    let changed = success(put(&server, "/v1/lines/board", &json!({"audit": 0.1})));
    assert_eq!(changed["views"], json!(["above"]));
}
