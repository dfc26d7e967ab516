//! Cohere's `POST /v2/embed`: the same embeddings, errors with a message.

use crate::support::server::{Server, base64, distance, fixture, numbers, success};
use serde_json::{Value, json};

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
