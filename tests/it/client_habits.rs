//! Deviations in the requests of real clients: nulls, byte order marks, unpaired surrogates, parts, additional
//! parameters of gateways.

use crate::support::server::{Server, base64, distance, embeddings, failure, fixture, success};
use reqwest::blocking::Response;
use reqwest::blocking::multipart::{Form, Part};
use serde_json::{Value, json};

fn raw(server: &Server, path: &str, body: &str) -> Response {
    server.post_bytes(path, "application/json", body.as_bytes().to_vec())
}

/// Status, code and message.
fn said(response: Response) -> (u16, String, String) {
    let status = response.status().as_u16();
    let body: Value = response.json().unwrap();
    let error = &body["error"];
    let text = |name: &str| error[name].as_str().unwrap_or_default().to_owned();
    (status, text("code"), text("message"))
}

#[test]
fn null_counts_as_missing() {
    let server = Server::start();
    let image = base64(&fixture("rgb.png"));
    for (path, body) in [
        (
            "/v1/embeddings",
            json!({"input": "a", "model": null, "encoding_format": null, "modality": null, "dimensions": null, "truncate": null}),
        ),
        (
            "/v1/similarity",
            json!({"images": image, "texts": "a", "labels": null, "model": null, "truncate": null}),
        ),
        (
            "/v1/classify",
            json!({"images": image, "labels": ["a"], "texts": null, "labelset": null, "truncate": null}),
        ),
        (
            "/v1/explain",
            json!({"images": image, "texts": "a", "labels": null, "map": null, "model": null, "truncate": null}),
        ),
        (
            "/v1/rerank",
            json!({"query": "a", "documents": ["b"], "top_n": null, "return_documents": null, "truncate": null}),
        ),
        (
            "/v2/models/clip-in-demo/infer",
            json!({"id": null, "parameters": null, "outputs": null,
                "inputs": [{"name": "text", "shape": [1], "datatype": "BYTES", "data": ["a"], "parameters": null}]}),
        ),
    ] {
        success(server.post(path, &body));
    }
    let url = format!("{}/v1/labelsets/nulls", server.url);
    let set = json!({"model": null, "templates": null, "temperature": null, "threshold": null,
        "labels": [{"label": "a", "texts": null, "images": null}]});
    let answer = success(server.client.put(url).json(&set).send().unwrap());
    assert_eq!(
        (&answer["templates"], &answer["temperature"]),
        (&json!(["{}"]), &json!(1.0))
    );
}

#[test]
fn json_variants_of_clients_are_accepted() {
    let server = Server::start();
    success(raw(&server, "/v1/embeddings", "\u{feff}{\"input\":\"a\"}"));
    let half = raw(
        &server,
        "/v1/embeddings",
        r#"{"input":["cut emoji \ud83d", "cut emoji \ufffd"]}"#,
    );
    let vectors = embeddings(&success(half));
    assert!(distance(&vectors[0], &vectors[1]) < 1e-6);
    // Indices instead of names
    for (path, body) in [
        ("/v1/embeddings", r#"[null,"a"]"#),
        ("/v1/rerank", r#"[null,"a",["b"]]"#),
        (
            "/v2/models/clip-in-demo/infer",
            r#"{"inputs":[["text",[1],"BYTES",{},["a"]]]}"#,
        ),
    ] {
        let response = raw(&server, path, body);
        assert_eq!(response.status(), 400, "{path}");
        let text = response.text().unwrap();
        assert!(text.contains("an object"), "{text}");
    }
    for body in [
        "3",
        "\"a\"",
        "[]",
        r#"{"input": 3.5}"#,
        r#"{"input":"a","modality":3}"#,
        r#"{"input":"a","encoding_format":{"float":null}}"#,
    ] {
        let (status, _, message) = said(raw(&server, "/v1/embeddings", body));
        assert_eq!(status, 400, "{body}");
        for rust in ["struct", "enum", "Request", "EntryList", "Option"] {
            assert!(!message.contains(rust), "{message}");
        }
    }
    let both = json!({"images": base64(&fixture("rgb.png")), "texts": ["a"], "labels": ["b"]});
    assert_eq!(said(server.post("/v1/classify", &both)).0, 400);
    for tokens in [json!([[1, 2, 3]]), json!([1, 2, 3]), json!(1)] {
        let (status, _, message) = said(server.post("/v1/embeddings", &json!({"input": tokens})));
        assert_eq!(status, 400);
        assert!(
            message.contains("check_embedding_ctx_length=False"),
            "{message}"
        );
    }
}

#[test]
fn parts_of_chat_clients_are_accepted() {
    let server = Server::start();
    let url = format!("data:image/png;base64,{}", base64(&fixture("rgb.png")));
    let input = json!([
        {"type": "image_url", "image_url": {"url": url, "detail": "low"}},
        {"image": url},
        {"content": [{"type": "image_url", "image_url": {"url": url}}]},
        {"type": "text", "text": "a"},
        "a"
    ]);
    let vectors = embeddings(&success(
        server.post("/v1/embeddings", &json!({"input": input})),
    ));
    for (one, other) in [(0, 1), (2, 1), (3, 4)] {
        assert!(distance(&vectors[one], &vectors[other]) < 1e-5);
    }
}

#[test]
fn eight_bits_or_one_a_number() {
    let server = Server::start();
    let ask = |format: &str| {
        let body = json!({"input": "a red bolt", "encoding_format": format});
        success(server.post("/v1/embeddings", &body))["data"][0]["embedding"].clone()
    };
    let floats: Vec<f64> = serde_json::from_value(ask("float")).unwrap();
    let bytes: Vec<f64> = serde_json::from_value(ask("int8")).unwrap();
    assert!(
        floats
            .iter()
            .zip(&bytes)
            .all(|(x, b)| (x * 127.0 - b).abs() < 0.51)
    );
    let bits: Vec<u8> = serde_json::from_value(ask("ubinary")).unwrap();
    assert_eq!(bits.len(), floats.len().div_ceil(8));
    for (i, x) in floats.iter().enumerate() {
        assert_eq!(bits[i / 8] >> (7 - i % 8) & 1 == 1, *x > 0.0);
    }
    let signed: Vec<i16> = serde_json::from_value(ask("binary")).unwrap();
    assert!(
        bits.iter()
            .zip(signed)
            .all(|(bits, s)| i16::from(*bits) - 128 == s)
    );
    assert_eq!(
        said(server.post(
            "/v1/embeddings",
            &json!({"input": "a", "encoding_format": "int4"})
        ))
        .0,
        400
    );
}

#[test]
fn fields_added_by_gateways_and_forms_are_ignored() {
    let server = Server::start();
    success(server.post(
        "/v1/embeddings?api-version=2024-10-21",
        &json!({"input": "a"}),
    ));
    success(server.post_bytes(
        "/v1/embeddings?api-version=1",
        "image/png",
        fixture("rgb.png"),
    ));
    let meant = server.post("/v1/embeddings?text=b", &json!({"input": "a"}));
    assert_eq!(failure(meant).1, "invalid_query");
    let post = |name: &'static str, bytes: Vec<u8>| {
        let part = Part::bytes(bytes).file_name("any.bin");
        let form = Form::new().text("user", "x").part(name, part);
        let url = format!("{}/v1/embeddings", server.url);
        server.client.post(url).multipart(form).send().unwrap()
    };
    for name in ["image", "images", "image[]", "images[]", "file"] {
        success(post(name, fixture("rgb.png")));
    }
    assert_eq!(
        failure(post("photo", fixture("rgb.png"))),
        (400, "unknown_field".into(), Some("photo".into()))
    );
}

#[test]
fn unknown_codings_are_refused_by_name() {
    let server = Server::start();
    for path in [
        "/v1/embeddings",
        "/v1/rerank",
        "/v2/models/clip-in-demo/infer",
    ] {
        let request = server.client.post(format!("{}{path}", server.url));
        let request = request.header("content-type", "application/json");
        let response = request
            .header("content-encoding", "br")
            .body("x")
            .send()
            .unwrap();
        assert_eq!(response.status(), 415, "{path}");
        assert!(
            response
                .text()
                .unwrap()
                .contains("unsupported_content_encoding")
        );
    }
}

#[test]
fn a_preflight_allows_the_clients_own_headers() {
    let server = Server::start_with(&["--cors-origins", "https://example.com"]);
    let wanted = "authorization,content-type,x-stainless-lang,x-stainless-retry-count,x-stainless-helper-method";
    let request = server
        .client
        .request(
            reqwest::Method::OPTIONS,
            format!("{}/v1/embeddings", server.url),
        )
        .header("origin", "https://example.com")
        .header("access-control-request-method", "POST")
        .header("access-control-request-headers", wanted);
    let response = request.send().unwrap();
    let headers = response.headers();
    let allowed = headers["access-control-allow-headers"].to_str().unwrap();
    assert!(
        wanted.split(',').all(|name| allowed.contains(name)),
        "{allowed}"
    );
    assert_eq!(
        headers["access-control-allow-origin"],
        "https://example.com"
    );
}

#[test]
fn lists_are_read_only_up_to_their_limit() {
    let server = Server::start();
    let list = format!("[{}\"\"]", "\"\",".repeat(1_000_000));
    for (path, body) in [
        ("/v1/embeddings", format!(r#"{{"input": {list}}}"#)),
        (
            "/v1/similarity",
            format!(r#"{{"images": "x", "texts": {list}}}"#),
        ),
        (
            "/v1/classify",
            format!(r#"{{"images": {list}, "labels": ["a"]}}"#),
        ),
        (
            "/v1/explain",
            format!(r#"{{"images": "x", "texts": {list}}}"#),
        ),
        (
            "/v1/rerank",
            format!(r#"{{"query": "a", "documents": {list}}}"#),
        ),
    ] {
        assert_eq!(
            failure(raw(&server, path, &body)).1,
            "too_many_items",
            "{path}"
        );
    }
    for body in [
        format!(r#"{{"labels": {list}}}"#),
        format!(r#"{{"labels": [{{"label": "a", "texts": {list}}}]}}"#),
        format!(r#"{{"labels": ["a"], "templates": {list}}}"#),
    ] {
        let url = format!("{}/v1/labelsets/many", server.url);
        let response = server.client.put(url).body(body).send().unwrap();
        assert_eq!(failure(response).1, "too_many_items");
    }
}

#[test]
fn a_message_does_not_grow_with_repeated_input() {
    let server = Server::start();
    for long in ["x".repeat(300_000), "\u{1}ä\"".repeat(100_000)] {
        let image = base64(&fixture("rgb.png"));
        let tensor = |name: &str, datatype: &str| json!({"inputs": [{"name": name, "shape": [1], "datatype": datatype, "data": ["a"]}]});
        let infer = "/v2/models/clip-in-demo/infer";
        let mut shape = tensor("text", "BYTES");
        shape["inputs"][0]["shape"] = json!(vec![-1; 10_000]);
        let mut outputs = tensor("text", "BYTES");
        outputs["outputs"] = json!([{"name": long}]);
        let requests = [
            ("/v1/embeddings", json!({"input": "a", "model": long})),
            ("/v1/embeddings", json!({"input": [{(&long): "a"}]})),
            (
                "/v1/embeddings",
                json!({"input": "a", "encoding_format": long}),
            ),
            ("/v1/embeddings", json!({"input": "a", "modality": long})),
            ("/v1/embeddings", json!({"input": "a", "dimensions": long})),
            ("/v1/embeddings", json!({"input": "a", "truncate": long})),
            (
                "/v1/similarity",
                json!({"images": image, "texts": "a", "model": long}),
            ),
            (
                "/v1/similarity",
                json!({"images": image, "texts": "a", "labelset": long}),
            ),
            ("/v1/similarity", json!({"images": long, "texts": "a"})),
            ("/v1/classify", json!({"images": image, "labelset": long})),
            (
                "/v1/explain",
                json!({"images": image, "texts": "a", "map": long}),
            ),
            (
                "/v1/classify",
                json!({"images": image, "labels": "a", "model": long}),
            ),
            (
                "/v1/rerank",
                json!({"query": "a", "documents": "a", "model": long}),
            ),
            (
                "/v1/rerank",
                json!({"query": {(&long): 1}, "documents": "a"}),
            ),
            (infer, tensor(&long, "BYTES")),
            (infer, tensor("text", &long)),
            (infer, shape),
            (infer, outputs),
        ];
        for (path, body) in requests {
            let response = server.post(path, &body);
            assert!(response.status().is_client_error(), "{path}");
            let length = response.text().unwrap().len();
            assert!(length < 4096, "{path}: {length}");
        }
        let url = format!("{}/v1/labelsets/long", server.url);
        for body in [
            json!({(&long): 1}),
            json!({"labels": [{(&long): 1}]}),
            json!({"labels": ["a"], "model": long}),
        ] {
            let response = server.client.put(&url).json(&body).send().unwrap();
            assert!(response.status().is_client_error());
            assert!(response.text().unwrap().len() < 4096);
        }
    }
}

#[test]
fn unknown_paths_of_the_inference_protocol_have_its_error_format() {
    let server = Server::start();
    for path in [
        "/v2/models/none/config",
        "/v2/models/none/stats",
        "/v2/nothing",
        "/v2/models/a/b/c/d",
    ] {
        let answer = server.get(path);
        assert_eq!(answer.status(), 404, "{path}");
        let body: Value = answer.json().unwrap();
        assert!(body["error"].is_string(), "{path}: {body}");
    }
    let other: Value = server.get("/v1/nothing").json().unwrap();
    assert_eq!(other["error"]["code"], "not_found");
    // An empty name means the default model.
    success(server.post("/v1/embeddings", &json!({"input": "a", "model": ""})));
}
