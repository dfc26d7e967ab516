//! `partial`: one invalid item does not take the embeddings of the others.

use crate::support::server::{
    Server, base64, distance, embeddings, failure, fixture, numbers, success,
};
use serde_json::{Value, json};

#[test]
fn one_bad_item_leaves_the_others_their_embeddings() {
    let server = Server::start();
    let image = base64(&fixture("rgb.png"));
    let ask = |input: Value, more: Value| {
        let mut body = json!({"input": input, "partial": true});
        body.as_object_mut()
            .unwrap()
            .extend(more.as_object().unwrap().clone());
        server.post("/v1/embeddings", &body)
    };
    let mixed = json!([{"image": image}, {"image": "no base64!"}, "a red bolt", {"image": base64(b"no image")},
        {"image": "https://example.com/a.png"}, {"text": "a ".repeat(40_000)}, "a blue mug"]);
    let answer = success(ask(mixed.clone(), json!({})));
    let data = answer["data"].as_array().unwrap();
    let codes: Vec<_> = data
        .iter()
        .map(|entry| entry["error"]["code"].as_str())
        .collect();
    let expected = [
        None,
        Some("invalid_base64"),
        None,
        Some("image_unknown_format"),
        Some("url_not_allowed"),
        Some("text_too_long"),
        None,
    ];
    assert_eq!(codes, expected);
    for (i, entry) in data.iter().enumerate() {
        assert_eq!(entry["index"], i);
        let is_error = expected[i].is_some();
        assert_eq!(
            entry["object"],
            if is_error { "error" } else { "embedding" }
        );
        assert_eq!(entry["embedding"].as_array().unwrap().is_empty(), is_error);
        if is_error {
            assert_eq!(entry["error"]["param"], format!("input[{i}]"));
        }
    }
    // The valid ones have the same embeddings as alone, and only they are counted.
    let good = json!([{"image": image}, "a red bolt", "a blue mug"]);
    let alone = success(server.post("/v1/embeddings", &json!({"input": good})));
    for (place, expected) in [0, 2, 6].into_iter().zip(embeddings(&alone)) {
        assert!(distance(&numbers(&data[place]["embedding"]), &expected) < 1e-5);
    }
    assert_eq!(answer["usage"], alone["usage"]);
    // A cached text that would be truncated is an error for a request that refuses truncation.
    let long = json!(["a red bolt ".repeat(200), "a red bolt"]);
    success(server.post("/v1/embeddings", &json!({"input": long})));
    let refused = success(ask(long, json!({"truncate": false})));
    assert_eq!(
        refused["data"][0]["error"]["code"],
        "text_would_be_truncated"
    );
    assert_eq!(refused["data"][1]["object"], "embedding");
    // All invalid: the answer has the error of each.
    let none = success(ask(
        json!([{"image": "?"}, {"image": ""}]),
        json!({"encoding_format": "base64"}),
    ));
    assert!(
        none["data"]
            .as_array()
            .unwrap()
            .iter()
            .all(|entry| entry["object"] == "error")
    );
    assert_eq!(none["usage"]["prompt_tokens"], 0);
    // Errors that no single item causes still fail the whole request, and so does an invalid item without `partial`.
    assert_eq!(
        failure(ask(json!(["a"]), json!({"dimensions": 0}))).1,
        "invalid_dimensions"
    );
    assert_eq!(failure(ask(json!([]), json!({}))).1, "no_input");
    let all_or_nothing = failure(server.post("/v1/embeddings", &json!({"input": mixed})));
    assert_eq!(
        (all_or_nothing.0, all_or_nothing.2),
        (400, Some("input[1]".into()))
    );
}

#[test]
fn partial_in_forms_too() {
    let server = Server::start();
    let form = reqwest::blocking::multipart::Form::new()
        .text("text", "a red bolt")
        .part(
            "image",
            reqwest::blocking::multipart::Part::bytes(b"no image".to_vec()),
        )
        .text("partial", "true");
    let url = format!("{}/v1/embeddings", server.url);
    let answer = success(server.client.post(url).multipart(form).send().unwrap());
    let objects: Vec<_> = answer["data"]
        .as_array()
        .unwrap()
        .iter()
        .map(|entry| &entry["object"])
        .collect();
    assert_eq!(objects, ["embedding", "error"]);
}
