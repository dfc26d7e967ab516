//! Formats of clients of other servers: partial answers, Cohere's embeddings, aliases of models.

use std::io::Read;
use std::process::Stdio;

use crate::support::server::{
    Server, base64, demo, distance, embeddings, failure, fixture, numbers, program, success,
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

#[test]
fn embeddings_for_cohere_equal_those_of_the_other_route() {
    let server = Server::start();
    let texts = json!(["a red bolt", "a blue mug"]);
    let formats = ["float", "base64", "int8", "uint8", "binary", "ubinary"];
    let ask = |body: Value| server.post("/v2/embed", &body);
    let answer = success(ask(
        json!({"model": "clip-in-demo", "input_type": "search_query", "texts": texts,
        "embedding_types": formats, "max_tokens": null}),
    ));
    assert_eq!(answer["texts"], texts);
    assert_eq!(answer["response_type"], "embeddings_by_type");
    assert!(answer["id"].as_str().unwrap().len() > 30);
    for format in formats {
        let same = json!({"input": texts, "encoding_format": format});
        let same = success(server.post("/v1/embeddings", &same));
        for i in 0..2 {
            assert_eq!(
                answer["embeddings"][format][i], same["data"][i]["embedding"],
                "{format}"
            );
        }
        assert_eq!(
            answer["meta"]["billed_units"]["input_tokens"],
            same["usage"]["prompt_tokens"]
        );
    }
    let url = format!("data:image/png;base64,{}", base64(&fixture("rgb.png")));
    let images = success(ask(json!({"images": [url], "input_type": "image"})));
    let inputs = success(ask(json!({"inputs": [
        {"content": [{"type": "image_url", "image_url": {"url": url}}]},
        {"content": [{"type": "text", "text": "a red bolt"}]}]})));
    assert_eq!(images["embeddings"].as_object().unwrap().len(), 1);
    let float = |answer: &Value, i: usize| numbers(&answer["embeddings"]["float"][i]);
    assert!(distance(&float(&images, 0), &float(&inputs, 0)) < 1e-5);
    assert!(distance(&float(&answer, 0), &float(&inputs, 1)) < 1e-5);
    assert_eq!(inputs["meta"]["billed_units"]["images"], 1);
    assert_eq!(inputs["texts"], json!([]));
    let short = success(ask(
        json!({"texts": ["a"], "output_dimension": 8, "embedding_types": []}),
    ));
    assert_eq!(float(&short, 0).len(), 8);
    let cut = success(ask(
        json!({"texts": ["a red bolt ".repeat(200)], "truncate": "END"}),
    ));
    assert!(
        cut["meta"]["warnings"][0]
            .as_str()
            .unwrap()
            .contains("were cut off")
    );

    let partial =
        json!({"images": [url, "?"], "partial": true, "embedding_types": ["ubinary", "base64"]});
    let partial = success(ask(partial));
    assert_eq!(partial["errors"][0]["index"], 1);
    assert_eq!(partial["errors"][0]["error"]["code"], "invalid_base64");
    assert_eq!(partial["embeddings"]["ubinary"][1], json!([]));
    assert_eq!(partial["embeddings"]["base64"][1], "");
    assert_eq!(partial["meta"]["billed_units"]["images"], 1);
}

#[test]
fn cohere_s_errors_have_a_message() {
    let server = Server::start();
    let cases = [
        (
            json!({"texts": ["a"], "model": "none"}),
            404,
            "model_not_found",
            Some("model"),
        ),
        (json!({}), 400, "no_input", None),
        (json!({"texts": []}), 400, "no_input", Some("texts")),
        (
            json!({"texts": ["a"], "images": ["b"]}),
            400,
            "invalid_request",
            Some("images"),
        ),
        (
            json!({"texts": ["a", {"image": "b"}]}),
            400,
            "invalid_request",
            Some("texts[1]"),
        ),
        (
            json!({"images": ["?"]}),
            400,
            "invalid_base64",
            Some("images[0]"),
        ),
        (
            json!({"texts": ["a"], "output_dimension": 0}),
            400,
            "invalid_dimensions",
            Some("output_dimension"),
        ),
        (
            json!({"texts": ["a"], "truncate": "START"}),
            400,
            "invalid_request",
            Some("truncate"),
        ),
        (
            json!({"texts": ["a"], "embedding_types": ["int4"]}),
            400,
            "invalid_request",
            Some("embedding_types[0]"),
        ),
        (
            json!({"texts": ["a ".repeat(400)], "truncate": "NONE"}),
            400,
            "text_would_be_truncated",
            Some("texts[0]"),
        ),
    ];
    for (body, status, code, param) in cases {
        let response = server.post("/v2/embed", &body);
        assert_eq!(response.status(), status, "{body}");
        let answer: Value = response.json().unwrap();
        assert!(
            answer["message"].as_str().unwrap().starts_with(code),
            "{answer}"
        );
        assert_eq!(answer["error"]["param"].as_str(), param, "{answer}");
    }
    // The embeddings are counted before they are made, in each format.
    let small = Server::start_with(&["--max-body-mib", "1", "--max-items", "100000"]);
    let all = json!(["float", "base64", "int8", "uint8", "binary", "ubinary"]);
    let texts = vec!["a"; 60_000];
    let response = small.post(
        "/v2/embed",
        &json!({"texts": texts, "embedding_types": all}),
    );
    assert_eq!(response.status(), 413);
    let answer: Value = response.json().unwrap();
    assert_eq!(answer["error"]["code"], "answer_too_large", "{answer}");
}

#[test]
fn aliases_are_names_of_models() {
    let server = Server::start_with(&[
        "--alias",
        "gpt=clip-in-demo",
        "--alias",
        "text-embedding-3-small=clip-in-demo",
    ]);
    let list = success(server.get("/v1/models"));
    let listed: Vec<_> = list["data"]
        .as_array()
        .unwrap()
        .iter()
        .map(|model| {
            (
                model["id"].as_str().unwrap(),
                model["root"].as_str().unwrap(),
                model["default"].as_bool().unwrap(),
            )
        })
        .collect();
    assert_eq!(
        listed,
        [
            ("clip-in-demo", "clip-in-demo", true),
            ("gpt", "clip-in-demo", false),
            ("text-embedding-3-small", "clip-in-demo", false),
        ]
    );
    let one = success(server.get("/v1/models/gpt"));
    assert_eq!(
        (&one["id"], &one["root"]),
        (&json!("gpt"), &json!("clip-in-demo"))
    );
    let answer = success(server.post("/v1/embeddings", &json!({"input": "a", "model": "gpt"})));
    assert_eq!(answer["model"], "clip-in-demo");
    success(server.post("/v2/embed", &json!({"texts": ["a"], "model": "gpt"})));
    let metadata = success(server.get("/v2/models/gpt"));
    assert_eq!(metadata["name"], "clip-in-demo");
    let tensors =
        json!({"inputs": [{"name": "text", "shape": [1], "datatype": "BYTES", "data": ["a"]}]});
    assert_eq!(
        success(server.post("/v2/models/gpt/infer", &tensors))["model_name"],
        "clip-in-demo"
    );
    // A label set put by one name of its model and used by another
    let url = format!("{}/v1/labelsets/named", server.url);
    let set = json!({"model": "gpt", "labels": ["a red bolt", "a blue mug"]});
    success(server.client.put(url).json(&set).send().unwrap());
    let images = json!({"images": base64(&fixture("rgb.png")), "labelset": "named", "model": "text-embedding-3-small"});
    success(server.post("/v1/classify", &images));
    let metrics = server.get("/metrics").text().unwrap();
    assert!(metrics.contains("clip-in-demo") && !metrics.contains("gpt"));
    assert_eq!(
        failure(server.post("/v1/embeddings", &json!({"input": "a", "model": "gp"}))).1,
        "model_not_found"
    );
}

#[test]
fn invalid_aliases_stop_the_start() {
    for (alias, said) in [
        ("gpt=none", "unknown model; the models are: clip-in-demo"),
        ("clip-in-demo=clip-in-demo", "one name cannot be both"),
        ("gpt=clip-in-demo,gpt=clip-in-demo", "--alias gpt"),
        ("gpt", "NAME=MODEL"),
    ] {
        let mut command = program();
        command
            .args(["serve", "--listen", "127.0.0.1:0", "--model"])
            .arg(demo());
        let mut process = command
            .env("CLIP_IN_ALIAS", alias)
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut log = String::new();
        process
            .stderr
            .take()
            .unwrap()
            .read_to_string(&mut log)
            .unwrap();
        assert!(!process.wait().unwrap().success(), "{alias}");
        assert!(log.contains(said), "{alias}: {log}");
    }
}
