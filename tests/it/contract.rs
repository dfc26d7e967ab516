//! The HTTP interface besides scores: OpenAI's formats, health, metrics, samples.

use crate::support::server;
use crate::support::server::{Server, distance, embeddings, failure, fixture, numbers, success};
use base64::Engine as _;
use serde_json::json;

#[test]
fn embeddings_have_openai_s_shape() {
    let server = Server::start();
    let answer = success(server.post(
        "/v1/embeddings",
        &json!({"input": ["a red bolt", "a blue mug"], "user": "x"}),
    ));
    assert_eq!(answer["object"], "list");
    let data = answer["data"].as_array().unwrap();
    for (i, entry) in data.iter().enumerate() {
        assert_eq!(
            (&entry["object"], &entry["index"]),
            (&json!("embedding"), &json!(i))
        );
    }
    assert_eq!(
        answer["usage"]["prompt_tokens"],
        answer["usage"]["total_tokens"]
    );
    // The same numbers as base64 of little-endian floats
    let encoded =
        json!({"input": "a red bolt", "encoding_format": "base64", "model": answer["model"]});
    let encoded = success(server.post("/v1/embeddings", &encoded));
    let bytes = base64::engine::general_purpose::STANDARD
        .decode(encoded["data"][0]["embedding"].as_str().unwrap())
        .unwrap();
    let decoded: Vec<f32> = bytes
        .chunks_exact(4)
        .map(|b| f32::from_le_bytes(b.try_into().unwrap()))
        .collect();
    let whole = embeddings(&answer).remove(0);
    assert!(distance(&decoded, &whole) < 1e-6);
    // Fewer dimensions: sliced, then normalised
    let short = success(server.post(
        "/v1/embeddings",
        &json!({"input": "a red bolt", "dimensions": 16}),
    ));
    let short = embeddings(&short).remove(0);
    let norm = whole[..16].iter().map(|x| x * x).sum::<f32>().sqrt();
    let expected: Vec<f32> = whole[..16].iter().map(|x| x / norm).collect();
    assert!(distance(&short, &expected) < 1e-5);
}

#[test]
fn results_are_in_request_order_across_modalities_and_lengths() {
    let server = Server::start();
    let image = json!({"image": server::base64(&fixture("rgb.png"))});
    let long = "a plate with a long scratch on the left side ".repeat(4);
    let items = [
        json!("one"),
        image.clone(),
        json!(long),
        json!({"text": "two words"}),
        image,
        json!(""),
    ];
    let together = embeddings(&success(
        server.post("/v1/embeddings", &json!({"input": items})),
    ));
    for (item, found) in items.iter().zip(&together) {
        let alone = embeddings(&success(
            server.post("/v1/embeddings", &json!({"input": [item]})),
        ));
        assert!(distance(found, &alone[0]) <= 1e-5, "{item:.30}");
    }
}

#[test]
fn a_special_token_in_a_text_is_plain_text() {
    let server = Server::start();
    let input = json!({"input": ["a red bolt", "a red <|endoftext|> bolt", "a red"]});
    let answer = success(server.post("/v1/embeddings", &input));
    let vectors = embeddings(&answer);
    let cosine = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(x, y)| x * y).sum::<f32>();
    assert!(
        cosine(&vectors[1], &vectors[2]) < 0.999,
        "the text was cut at the spelled-out end token"
    );
}

#[test]
fn health_models_metrics_and_samples() {
    let server = Server::start();
    assert_eq!(success(server.get("/healthz"))["status"], "alive");
    let ready = success(server.get("/readyz"));
    assert_eq!(
        (&ready["status"], &ready["models"][0]["device"]),
        (&json!("ready"), &json!("cpu"))
    );
    let models = success(server.get("/v1/models"));
    let name = models["data"][0]["id"].as_str().unwrap();
    assert_eq!(
        success(server.get(&format!("/v1/models/{name}")))["id"],
        name
    );
    assert_eq!(
        failure(server.get("/v1/models/other")),
        (404, "model_not_found".into(), Some("model".into()))
    );
    success(server.post("/v1/embeddings", &json!({"input": "a"})));
    failure(server.post("/v1/embeddings", &json!({"input": []})));
    assert_eq!(server.metric("clip_in_ready "), 1.0);
    assert!(
        server.metric(
            "clip_in_requests_total{code=\"no_input\",route=\"/v1/embeddings\",status=\"400\"}"
        ) == 1.0
    );
    let samples = success(server.get("/samples"));
    for sample in samples["samples"].as_array().unwrap() {
        let picture = server.get(sample["url"].as_str().unwrap()).bytes().unwrap();
        let answer = server.post_bytes(
            "/v1/similarity?text=a",
            "application/octet-stream",
            picture.to_vec(),
        );
        assert_eq!(numbers(&success(answer)["scores"][0]).len(), 1);
    }
    for outside in [
        "/samples/bundle.json",
        "/samples/..%2Fbundle.json",
        "/samples/image.onnx",
    ] {
        assert_eq!(server.get(outside).status(), 404, "{outside}");
    }
}

#[test]
fn an_address_in_use_and_a_wrong_setting_are_reported() {
    let server = Server::start();
    let address = server.url.strip_prefix("http://").unwrap();
    let refused = server::program()
        .args(["serve", "--listen", address, "--model"])
        .arg(server::demo())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(
        !refused.status.success() && said.contains(address),
        "{said}"
    );
    let refused = server::program()
        .args(["serve", "--queue", "0"])
        .output()
        .unwrap();
    assert_eq!(refused.status.code(), Some(2));
    let refused = server::program()
        .args([
            "serve",
            "--listen",
            "127.0.0.1:0",
            "--precision",
            "int3",
            "--model",
        ])
        .arg(server::demo())
        .output()
        .unwrap();
    assert!(String::from_utf8_lossy(&refused.stderr).contains("it has: fp32"));
}
