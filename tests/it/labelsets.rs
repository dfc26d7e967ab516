//! Label sets: put once, used by name, still there after a restart and with another model.

use crate::support::server;
use std::path::Path;

use crate::support::server::models::wait_for;
use crate::support::server::{Server, base64, demo};
use serde_json::{Value, json};

fn sample(i: usize) -> Vec<u8> {
    std::fs::read(demo().join(format!("samples/{i}.webp"))).unwrap()
}

fn start(state: &Path) -> Server {
    Server::start_with(&["--state", state.to_str().unwrap()])
}

fn put(server: &Server, name: &str, body: &Value) -> (u16, Value) {
    let url = format!("{}/v1/labelsets/{name}", server.url);
    let response = server.client.put(url).json(body).send().unwrap();
    (response.status().as_u16(), response.json().unwrap())
}

fn delete(server: &Server, name: &str) -> u16 {
    let url = format!("{}/v1/labelsets/{name}", server.url);
    server.client.delete(url).send().unwrap().status().as_u16()
}

/// The one-line call of an inspection line.
fn classify(server: &Server, name: &str) -> Value {
    let path = format!("/v1/classify?labelset={name}");
    let response = server.post_bytes(&path, "image/webp", sample(0));
    response.json().unwrap()
}

fn vector(server: &Server, input: Value) -> Vec<f64> {
    let answer: Value = server
        .post("/v1/embeddings", &json!({"input": [input]}))
        .json()
        .unwrap();
    serde_json::from_value(answer["data"][0]["embedding"].clone()).unwrap()
}

fn unit(sum: &[f64]) -> Vec<f64> {
    let norm = sum.iter().map(|x| x * x).sum::<f64>().sqrt();
    sum.iter().map(|x| x / norm).collect()
}

fn mean(vectors: &[Vec<f64>]) -> Vec<f64> {
    let sum: Vec<f64> = (0..vectors[0].len())
        .map(|i| vectors.iter().map(|v| v[i]).sum())
        .collect();
    unit(&sum)
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(x, y)| x * y).sum()
}

#[test]
fn a_plain_set_scores_as_labels_in_the_request_do() {
    let state = tempfile::tempdir().unwrap();
    let server = start(state.path());
    let labels = ["a green cogwheel", "a red bolt", "a blue mug"];
    let (status, set) = put(&server, "parts", &json!({"labels": labels}));
    assert_eq!(status, 201, "{set}");
    assert_eq!(set["labels"][1]["texts"], json!(["a red bolt"]));
    let found = classify(&server, "parts");
    let inline = server.post(
        "/v1/classify",
        &json!({"images": [base64(&sample(0))], "labels": labels}),
    );
    let inline: Value = inline.json().unwrap();
    let (found_labels, inline_labels) = (
        &found["results"][0]["labels"],
        &inline["results"][0]["labels"],
    );
    for (a, b) in found_labels
        .as_array()
        .unwrap()
        .iter()
        .zip(inline_labels.as_array().unwrap())
    {
        assert_eq!((&a["label"], &a["index"]), (&b["label"], &b["index"]));
        for number in ["score", "similarity"] {
            let off = a[number].as_f64().unwrap() - b[number].as_f64().unwrap();
            assert!(off.abs() < 1e-5, "{a} {b}");
        }
    }
    let best = &found_labels[0];
    let decision = &found["results"][0]["decision"];
    assert_eq!(
        (&decision["label"], &decision["score"]),
        (&best["label"], &best["score"])
    );
    assert_eq!(found["labelset"], "parts");
}

#[test]
fn templates_texts_images_and_temperature_count_as_documented() {
    let state = tempfile::tempdir().unwrap();
    let server = start(state.path());
    let body = json!({
        "labels": [
            {"label": "bolt", "texts": ["red bolt", "steel screw"], "images": [base64(&sample(1))]},
            {"label": "cog", "texts": ["green cogwheel"], "images": [base64(&sample(0)), base64(&sample(2))]}
        ],
        "templates": ["a photo of a {}", "the {} on wood"],
        "temperature": 2.0,
        "threshold": 0.999999
    });
    let (status, set) = put(&server, "both", &body);
    assert_eq!(status, 201, "{set}");
    assert_eq!(set["labels"][1]["images"], 2);
    let text = |t: &str| vector(&server, json!(t));
    let image = |i| vector(&server, json!({"image": base64(&sample(i))}));
    let texts = [
        mean(&[
            text("a photo of a red bolt"),
            text("the red bolt on wood"),
            text("a photo of a steel screw"),
            text("the steel screw on wood"),
        ]),
        mean(&[
            text("a photo of a green cogwheel"),
            text("the green cogwheel on wood"),
        ]),
    ];
    let images = [image(1), mean(&[image(0), image(2)])];
    let query = image(0);
    let found = classify(&server, "both");
    let scale = {
        let manifest = std::fs::read(demo().join("bundle.json")).unwrap();
        let manifest: Value = serde_json::from_slice(&manifest).unwrap();
        manifest["similarity"]["logit_scale"].as_f64().unwrap()
    };
    let cosines = [0, 1].map(|i| (dot(&query, &texts[i]) + dot(&query, &images[i])) / 2.0);
    let exponentials = cosines.map(|cosine| (cosine * scale / 2.0).exp());
    for label in found["results"][0]["labels"].as_array().unwrap() {
        let i = label["index"].as_u64().unwrap() as usize;
        let score = exponentials[i] / (exponentials[0] + exponentials[1]);
        assert!((label["similarity"].as_f64().unwrap() - cosines[i]).abs() < 1e-5);
        assert!(
            (label["score"].as_f64().unwrap() - score).abs() < 1e-4,
            "{label} {score}"
        );
    }
    let decision = &found["results"][0]["decision"];
    let sure = decision["score"].as_f64().unwrap() >= 0.999999;
    assert_eq!(decision["label"].is_null(), !sure, "{decision}");
}

#[test]
fn a_set_survives_a_restart_and_can_be_deleted() {
    let state = tempfile::tempdir().unwrap();
    let server = start(state.path());
    put(
        &server,
        "kept",
        &json!({"labels": ["a red bolt", "a blue mug"], "threshold": 0.5}),
    );
    put(&server, "dropped", &json!({"labels": ["x"]}));
    assert_eq!(
        put(
            &server,
            "kept",
            &json!({"labels": ["a red bolt", "a blue mug"]})
        )
        .0,
        200
    );
    assert_eq!(delete(&server, "dropped"), 200);
    assert_eq!(delete(&server, "dropped"), 404);
    let before = classify(&server, "kept");
    drop(server);
    let server = start(state.path());
    assert_eq!(classify(&server, "kept"), before);
    let all: Value = server.get("/v1/labelsets").json().unwrap();
    assert_eq!(all["data"].as_array().unwrap().len(), 1);
    let one: Value = server.get("/v1/labelsets/kept").json().unwrap();
    assert_eq!(one, all["data"][0]);
    assert_eq!(server.get("/v1/labelsets/dropped").status(), 404);
}

#[test]
fn another_model_embeds_a_set_again() {
    let state = tempfile::tempdir().unwrap();
    let body = json!({"labels": ["a green cogwheel", "a blue mug"]});
    // Another precision counts as another model: its embeddings differ.
    let launch = |precision: &str| {
        let state = state.path().to_str().unwrap();
        Server::start_with(&["--state", state, "--precision", precision])
    };
    let server = launch("fp32");
    put(&server, "parts", &body);
    let before = classify(&server, "parts");
    drop(server);
    let server = launch("int8");
    let after = classify(&server, "parts");
    assert_ne!(
        after["results"], before["results"],
        "vectors of the old model are in use"
    );
    put(&server, "fresh", &body);
    assert_eq!(classify(&server, "fresh")["results"], after["results"]);
    // The new embeddings are on disk.
    drop(server);
    let stored = std::fs::read(state.path().join("labelsets/parts.json")).unwrap();
    let fresh = std::fs::read(state.path().join("labelsets/fresh.json")).unwrap();
    let vectors = |file: &[u8]| serde_json::from_slice::<Value>(file).unwrap()["embedded"].clone();
    assert_eq!(vectors(&stored), vectors(&fresh));
}

#[test]
fn an_invalid_set_is_named_and_changes_nothing() {
    let state = tempfile::tempdir().unwrap();
    let server = start(state.path());
    put(&server, "good", &json!({"labels": ["a", "b"]}));
    for (body, code, param) in [
        (json!({"labels": []}), "invalid_request", "labels"),
        (
            json!({"labels": ["a", "a"]}),
            "invalid_request",
            "labels[1].label",
        ),
        (
            json!({"labels": ["a"], "templates": ["x"]}),
            "invalid_request",
            "templates[0]",
        ),
        // Ninety gigabytes if it were made.
        (
            json!({"labels": ["x".repeat(300_000)], "templates": ["{}".repeat(300_000)]}),
            "invalid_request",
            "templates[0]",
        ),
        (
            json!({"labels": [{"label": "a", "images": ["AAAA"]}]}),
            "image_unknown_format",
            "labels[0].images[0]",
        ),
        (
            json!({"labels": ["a ".repeat(500)]}),
            "text_would_be_truncated",
            "labels[0].texts",
        ),
        (
            json!({"labels": ["a"], "model": "none"}),
            "model_not_found",
            "model",
        ),
    ] {
        let (status, error) = put(&server, "good", &body);
        assert!((400..500).contains(&status), "{error}");
        assert_eq!(error["error"]["code"], code, "{error}");
        assert_eq!(error["error"]["param"], param, "{error}");
    }
    let one: Value = server.get("/v1/labelsets/good").json().unwrap();
    assert_eq!(one["labels"].as_array().unwrap().len(), 2);
    assert_eq!(
        put(&server, ".bad", &json!({"labels": ["a"]})).1["error"]["code"],
        "invalid_labelset_name"
    );
    let both = server.post(
        "/v1/classify",
        &json!({"images": [base64(&sample(0))], "labels": ["a"], "labelset": "good"}),
    );
    assert_eq!(both.status(), 400);
    let unknown = classify(&server, "none");
    assert_eq!(unknown["error"]["code"], "labelset_not_found");
    let elsewhere = server.post_bytes("/v1/similarity?labelset=good", "image/webp", sample(0));
    assert_eq!(elsewhere.status(), 400);
}

#[test]
fn a_broken_file_stops_the_start_and_is_named() {
    let state = tempfile::tempdir().unwrap();
    std::fs::create_dir(state.path().join("labelsets")).unwrap();
    std::fs::write(state.path().join("labelsets/line.json"), "{").unwrap();
    let output = server::program()
        .args(["serve", "--listen", "127.0.0.1:0", "--model"])
        .arg(demo())
        .arg("--state")
        .arg(state.path())
        .output()
        .unwrap();
    assert!(!output.status.success());
    let message = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(message.contains("line.json"), "{message}");
}

#[test]
fn a_cancelled_put_leaves_disk_and_memory_consistent() {
    let state = tempfile::tempdir().unwrap();
    let server = start(state.path());
    let labels = |version: usize| -> Vec<_> {
        (0..300)
            .map(|i| json!({"label": format!("{version}-{i}"), "texts": ["a red bolt"]}))
            .collect()
    };
    assert_eq!(put(&server, "parts", &json!({"labels": labels(0)})).0, 201);
    std::thread::scope(|scope| {
        for writer in 0..4 {
            let (server, labels) = (&server, &labels);
            scope.spawn(move || {
                for i in 0..40 {
                    let version = 1 + writer * 40 + i;
                    let url = format!("{}/v1/labelsets/parts", server.url);
                    let request = server
                        .client
                        .put(url)
                        .json(&json!({"labels": labels(version)}));
                    // Some in time, others not.
                    let patience = std::time::Duration::from_millis(1 + (version as u64 * 7) % 40);
                    let _ = request.timeout(patience).send();
                }
            });
        }
    });
    // The last cancelled request may still be noticed or written; this one comes after all of them.
    wait_for("the end of all requests but the question", || {
        server.metric("clip_in_requests_in_flight") == 1.0
    });
    let end = json!({"labels": ["a green cogwheel", "a red bolt"]});
    put(&server, "other", &end);
    let set = |server: &Server| -> Value {
        let answer = server.get("/v1/labelsets/parts");
        answer.json().unwrap()
    };
    let before = set(&server);
    drop(server);
    assert_eq!(set(&start(state.path())), before);
}
