//! Invalid input is refused with a code and the item's place, costs little, and does not affect the next request.

use crate::support::server::{Server, base64, failure, fixture, success};
use serde_json::{Value, json};

fn image(name: &str) -> Value {
    json!({"image": base64(&fixture(name))})
}

#[test]
fn a_broken_image_is_named_and_the_next_request_is_served() {
    let server = Server::start();
    let good = image("rgb.png");
    let cases = [
        (image("truncated-half.jpg"), 400, "image_corrupt"),
        (image("truncated.png"), 400, "image_corrupt"),
        (image("text.png"), 400, "image_unknown_format"),
        (image("huge-header.png"), 413, "image_too_large"),
        (image("photo.avif"), 400, "image_unsupported_format"),
        (json!({"image": ""}), 400, "image_empty"),
        (
            json!({"image": "this is not base64!"}),
            400,
            "invalid_base64",
        ),
        (
            json!({"image": "http://127.0.0.1/x.png"}),
            400,
            "url_not_allowed",
        ),
    ];
    for (bad, status, code) in cases {
        let answer = server.post(
            "/v1/embeddings",
            &json!({"input": [good, "a text", bad, good]}),
        );
        let (found_status, found_code, param) = failure(answer);
        let known = found_code == code
            || (code.starts_with("image_un") && found_code.starts_with("image_un"));
        assert!(
            found_status == status && known,
            "{bad:.40}: {found_status} {found_code}"
        );
        assert_eq!(param.as_deref(), Some("input[2]"), "{code}");
        let answer = server.post(
            "/v1/similarity",
            &json!({"images": [good, bad], "texts": ["a"]}),
        );
        assert_eq!(failure(answer).2.as_deref(), Some("images[1]"), "{code}");
        success(server.post("/v1/embeddings", &json!({"input": good})));
    }
}

#[test]
fn unusual_images_are_embedded() {
    let server = Server::start();
    for name in [
        "one-pixel.png",
        "one-pixel.jpg",
        "one-row.png",
        "one-column.jpg",
        "rgba.png",
        "rgba16.png",
        "cmyk.jpg",
        "ycck.jpg",
        "grey.jpg",
        "grey16.png",
        "grey-alpha.png",
        "rgb16.png",
        "bilevel.png",
        "palette-transparent.png",
        "lossy-alpha.webp",
        "lossless.webp",
        "rgb.bmp",
        "lzw.tiff",
        "animated.gif",
        "420-progressive.jpg",
    ] {
        let answer =
            success(server.post_bytes("/v1/embeddings", "application/octet-stream", fixture(name)));
        assert_eq!(answer["data"].as_array().unwrap().len(), 1, "{name}");
    }
    // An opaque picture is the same with an alpha channel; hidden colours do not matter, as in Pillow's convert("RGB").
}

#[test]
fn requests_of_the_wrong_shape_name_the_error() {
    let server = Server::start();
    let pixel = base64(&fixture("one-pixel.png"));
    let similarity = |body: Value| failure(server.post("/v1/similarity", &body));
    let embeddings = |body: Value| failure(server.post("/v1/embeddings", &body));
    let is =
        |found: (u16, String, Option<String>), status: u16, code: &str, param: Option<&str>| {
            assert_eq!(
                (found.0, found.1.as_str(), found.2.as_deref()),
                (status, code, param)
            );
        };
    is(
        similarity(json!({"images": [pixel], "texts": []})),
        400,
        "no_texts",
        Some("texts"),
    );
    is(
        similarity(json!({"texts": ["a"]})),
        400,
        "no_images",
        Some("images"),
    );
    is(
        similarity(json!({"images": [pixel, 3], "texts": ["a"]})),
        400,
        "invalid_request",
        Some("images[1]"),
    );
    is(
        similarity(json!({"images": [{"text": "a"}], "texts": ["a"]})),
        400,
        "invalid_request",
        Some("images[0]"),
    );
    is(
        similarity(json!({"model": "other", "images": [pixel], "texts": ["a"]})),
        404,
        "model_not_found",
        Some("model"),
    );
    is(
        failure(server.post("/v1/classify", &json!({"images": [pixel]}))),
        400,
        "no_texts",
        Some("labels"),
    );
    is(
        embeddings(json!({"input": []})),
        400,
        "no_input",
        Some("input"),
    );
    is(
        embeddings(json!({"input": [[1, 2]]})),
        400,
        "invalid_request",
        Some("input[0]"),
    );
    is(
        embeddings(json!({"input": ["a", {"image": 5}]})),
        400,
        "invalid_request",
        Some("input[1].image"),
    );
    is(
        embeddings(json!({"input": "a", "dimensions": 0})),
        400,
        "invalid_dimensions",
        Some("dimensions"),
    );
    is(
        embeddings(json!({"input": "a", "dimensions": 100_000})),
        400,
        "invalid_dimensions",
        Some("dimensions"),
    );
    is(
        embeddings(json!({"input": "a", "encoding_format": "hex"})),
        400,
        "invalid_request",
        Some("encoding_format"),
    );
    is(
        embeddings(json!({"input": vec!["a"; 2049]})),
        400,
        "too_many_items",
        Some("input"),
    );
    is(
        embeddings(json!({"input": ["a", "word ".repeat(20_000)]})),
        413,
        "text_too_long",
        Some("input[1]"),
    );
    let long = json!({"input": ["a", "word ".repeat(500)], "truncate": false});
    is(
        embeddings(long),
        400,
        "text_would_be_truncated",
        Some("input[1]"),
    );
    let post = |path: &str, content_type: &str, body: &[u8]| {
        failure(server.post_bytes(path, content_type, body.to_vec()))
    };
    is(
        post("/v1/embeddings", "application/json", b""),
        400,
        "body_empty",
        None,
    );
    is(
        post("/v1/embeddings", "application/json", b"{\"input\": "),
        400,
        "invalid_json",
        Some("input"),
    );
    is(
        post("/v1/embeddings", "image/png", b""),
        400,
        "image_empty",
        None,
    );
    is(
        post("/v1/embeddings", "text/html", b"<p>"),
        415,
        "unsupported_content_type",
        None,
    );
    is(
        post("/v1/similarity?text=a", "image/png", b"abc"),
        400,
        "image_unknown_format",
        Some("images[0]"),
    );
    is(
        post("/v1/similarity", "multipart/form-data", b"abc"),
        400,
        "invalid_multipart",
        None,
    );
    is(
        post("/v1/nothing", "application/json", b"{}"),
        404,
        "not_found",
        None,
    );
    assert_eq!(
        failure(server.get("/v1/embeddings")).1,
        "method_not_allowed"
    );
}

#[test]
fn truncation_is_visible() {
    let server = Server::start();
    let answer = success(server.post("/v1/embeddings", &json!({"input": ["word ".repeat(500)]})));
    assert!(
        answer["usage"]["truncated_tokens"].as_u64().unwrap() > 100,
        "{}",
        answer["usage"]
    );
    assert!(server.metric("clip_in_truncated_tokens_total") > 100.0);
    let short = success(server.post("/v1/embeddings", &json!({"input": "a red bolt"})));
    assert_eq!(short["usage"]["truncated_tokens"], 0);
}

#[test]
fn memory_does_not_grow_with_large_bodies() {
    let server = Server::start();
    success(server.post("/v1/embeddings", &json!({"input": image("420-large.jpg")})));
    let before = server.resident_bytes();
    let mut early = 0;
    for round in 0..6 {
        if round == 2 {
            early = server.resident_bytes();
        }
        // 10 MB of JSON: numbers instead of items, one endless text, one endless image, nesting
        let numbers = format!("{{\"input\": [{}1]}}", "1,".repeat(5_000_000));
        let text = format!("{{\"input\": \"{}\"}}", "a".repeat(10_000_000));
        let picture = format!(
            "{{\"input\": [{{\"image\": \"{}\"}}]}}",
            "A".repeat(10_000_000)
        );
        let nested = format!("{{\"input\": {}", "[".repeat(10_000_000));
        let ignored = format!(
            "{{\"input\": \"a\", \"user\": [{}1]}}",
            "[1],".repeat(2_500_000)
        );
        for (body, code) in [
            (numbers, "invalid_request"),
            (text, "text_too_long"),
            (picture, "image_unknown_format"),
            (nested, "invalid_request"),
        ] {
            let found =
                failure(server.post_bytes("/v1/embeddings", "application/json", body.into_bytes()));
            assert!(found.0 == 400 || found.0 == 413, "{found:?}");
            assert_eq!(found.1, code);
        }
        success(server.post_bytes("/v1/embeddings", "application/json", ignored.into_bytes()));
        failure(server.post(
            "/v1/embeddings",
            &json!({"input": [image("huge-header.png"), image("widest-header.png")]}),
        ));
    }
    // The allocator retains a few buffers of 10 MB (28 to 46 MiB measured); a tree of values would take 160 MB and
    // more.
    let now = server.resident_bytes();
    let (grown, late) = (now.saturating_sub(before), now.saturating_sub(early));
    assert!(grown < 128 << 20, "memory grew by {} MiB", grown >> 20);
    assert!(late < 64 << 20, "memory still grows, by {} MiB", late >> 20);
    success(server.post("/v1/embeddings", &json!({"input": "still there"})));
}

#[test]
fn tensors_in_json_cost_little_more_than_their_body() {
    let server = Server::start();
    let name = "clip-in-demo";
    let values = 3_000_000;
    let tensor = |input: &str, datatype: &str, value: &str| {
        let data = format!("{}{value}", format!("{value},").repeat(values - 1));
        let shape = if datatype == "BYTES" {
            format!("[{values}]")
        } else {
            format!("[1, {values}]")
        };
        format!(
            "{{\"inputs\": [{{\"name\": \"{input}\", \"shape\": {shape}, \"datatype\": \"{datatype}\", \"data\": [{data}]}}]}}"
        )
    };
    let parameters = format!(
        "{{\"parameters\": {{\"x\": [{}0]}}, \"inputs\": []}}",
        "0,".repeat(values)
    );
    let before = server.peak_bytes();
    for (body, code) in [
        (tensor("pixels", "UINT8", "0"), "invalid_pixels"),
        (tensor("pixels", "FP32", "0"), "invalid_pixels"),
        (tensor("token_ids", "INT64", "7"), "invalid_token_ids"),
        (tensor("text", "BYTES", "\"\""), "too_many_items"),
        (tensor("pixels", "BYTES", "0"), "too_many_items"),
        (parameters, "no_input"),
    ] {
        let path = format!("/v2/models/{name}/infer");
        let answer = server.post_bytes(&path, "application/json", body.into_bytes());
        assert!(answer.status().is_client_error(), "{code}");
        let error = answer.json::<Value>().unwrap()["error"].to_string();
        assert!(error.contains(code), "{error:.200}");
    }
    let grown = server.peak_bytes() - before;
    // 70 to 133 MiB were measured, depending on the allocator. A tree of three million values would take 216 MB besides
    // the body.
    assert!(
        grown < 192 << 20,
        "memory grew by {} MiB for bodies of 6 to 9 MB",
        grown >> 20
    );
}

#[test]
fn a_body_over_the_limit_is_refused_before_it_is_read() {
    let server = Server::start_with(&["--max-body-mib", "1"]);
    let answer = server.post_bytes("/v1/embeddings", "application/json", vec![b' '; 2 << 20]);
    assert_eq!(failure(answer).1, "body_too_large");
}

#[test]
fn a_long_head_is_refused_because_it_would_be_memory_that_no_budget_counts() {
    let server = Server::start();
    for (kilobytes, status) in [(60, 200), (200, 431)] {
        let answer = server
            .client
            .get(format!("{}/healthz", server.url))
            .header("x-note", "n".repeat(kilobytes << 10))
            .send()
            .unwrap();
        assert_eq!(answer.status(), status, "{kilobytes} KiB");
    }
}
