//! A failure of ONNX Runtime at run time only affects its cause: an item, a batch that needs too much memory, or the
//! sessions themselves. The errors are ONNX Runtime's own: `fixtures/failing_graphs.py` makes graphs that fail.

use crate::support::server;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::support::server::models::{bundle, serve, wait_for, without_weights};
use crate::support::server::{Server, base64, distance, embeddings, failure, success};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

const FOUR_WORKING_TEXTS: [&str; 4] = ["a red bolt", "a green bolt", "a red cap", "a cap"];

/// The demo bundle with a text encoder from the fixtures.
fn with_text_encoder(folder: &Path, graph: &str) -> PathBuf {
    let graph = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/fixtures")
        .join(graph);
    let root = bundle(folder, without_weights);
    fs::copy(graph, root.join("text.onnx")).unwrap();
    let golden = root.join("golden/golden.json");
    let mut content: Value = serde_json::from_slice(&fs::read(&golden).unwrap()).unwrap();
    content["texts"] =
        serde_json::from_str(include_str!("../fixtures/failing_golden.json")).unwrap();
    fs::write(&golden, content.to_string()).unwrap();
    let digest = |name: &str| {
        let bytes = fs::read(root.join(name)).unwrap();
        let hex = Sha256::digest(bytes)
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect();
        Value::String(hex)
    };
    let manifest = root.join("bundle.json");
    let mut content: Value = serde_json::from_slice(&fs::read(&manifest).unwrap()).unwrap();
    for name in ["text.onnx", "golden/golden.json"] {
        content["files"][name] = digest(name);
    }
    fs::write(manifest, content.to_string()).unwrap();
    root
}

/// A server with one worker, whose answers are never cached.
fn one_worker(bundle: &Path) -> Server {
    Server::launch(&mut serve(
        &[bundle],
        &["--workers", "1", "--text-cache-mib", "0"],
    ))
}

fn texts(texts: &[&str]) -> Value {
    let input: Vec<Value> = texts.iter().map(|text| json!({"text": text})).collect();
    json!({"input": input})
}

fn embed(server: &Server, of: &[&str]) -> Vec<Vec<f32>> {
    embeddings(&success(server.post("/v1/embeddings", &texts(of))))
}

fn refused(server: &Server, of: &[&str]) -> (u16, String) {
    let (status, code, _) = failure(server.post("/v1/embeddings", &texts(of)));
    (status, code)
}

#[test]
fn a_batch_that_needs_too_much_memory_is_answered_in_parts() {
    let folder = tempfile::tempdir().unwrap();
    let server = one_worker(&with_text_encoder(folder.path(), "breaks.onnx"));
    let alone: Vec<Vec<f32>> = FOUR_WORKING_TEXTS
        .iter()
        .flat_map(|text| embed(&server, &[text]))
        .collect();
    assert!(distance(&alone[0], &alone[1]) > 1e-4);
    assert_eq!(server.metric("clip_in_out_of_memory_total"), 0.0);
    // Eight rows fail, and so do four of them; two do not.
    let eight: Vec<&str> = FOUR_WORKING_TEXTS.into_iter().cycle().take(8).collect();
    let together = embed(&server, &eight);
    for (found, expected) in together.iter().zip(alone.iter().cycle()) {
        assert!(distance(found, expected) < 1e-6);
    }
    assert!(server.metric("clip_in_out_of_memory_total") >= 1.0);
    assert_eq!(server.metric("clip_in_inference_failures_total"), 0.0);
    assert_eq!(server.metric("clip_in_sessions_rebuilt_total"), 0.0);
}

#[test]
fn an_item_that_does_not_fit_into_memory_alone_gets_the_error_and_the_server_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let server = one_worker(&with_text_encoder(folder.path(), "breaks.onnx"));
    let response = server.post("/v1/embeddings", &texts(&["a bottle"]));
    assert_eq!(response.headers()["retry-after"], "1");
    let (status, code, _) = failure(response);
    assert_eq!((status, code.as_str()), (503, "out_of_memory"));
    assert_eq!(server.metric("clip_in_out_of_memory_total"), 1.0);
    assert_eq!(server.metric("clip_in_sessions_rebuilt_total"), 0.0);
    embed(&server, &["a red bolt"]);
    success(server.get("/readyz"));
}

#[test]
fn an_item_that_fails_in_inference_fails_alone() {
    let folder = tempfile::tempdir().unwrap();
    let root = with_text_encoder(folder.path(), "breaks.onnx");
    let arguments = [
        "--workers",
        "1",
        "--text-cache-mib",
        "0",
        "--log-format",
        "json",
    ];
    let server = Server::launch(&mut serve(&[&root], &arguments));
    let expected = embed(&server, &["a red bolt"]);
    std::thread::scope(|scope| {
        let bad: Vec<_> = (0..4)
            .map(|_| {
                scope.spawn(|| {
                    (0..25)
                        .map(|_| refused(&server, &["a scratch"]))
                        .collect::<Vec<_>>()
                })
            })
            .collect();
        let good: Vec<_> = (0..4)
            .map(|_| {
                scope.spawn(|| {
                    (0..25)
                        .map(|_| embed(&server, &["a red bolt"]))
                        .collect::<Vec<_>>()
                })
            })
            .collect();
        for answer in bad.into_iter().flat_map(|client| client.join().unwrap()) {
            assert_eq!(answer, (500, "inference_failed".to_owned()));
        }
        for found in good.into_iter().flat_map(|client| client.join().unwrap()) {
            assert!(distance(&found[0], &expected[0]) < 1e-6);
        }
    });
    assert_eq!(server.metric("clip_in_inference_failures_total"), 100.0);
    // ONNX Runtime's message becomes a line of the server's log in its format.
    let log = server.log_with("onnxruntime");
    for line in log.lines() {
        serde_json::from_str::<Value>(line).unwrap_or_else(|error| panic!("{error}: {line}"));
    }
    assert_eq!(server.metric("clip_in_sessions_rebuilt_total"), 0.0);
    success(server.get("/readyz"));
}

#[test]
fn failed_sessions_are_rebuilt_once_and_then_the_server_is_not_ready() {
    let folder = tempfile::tempdir().unwrap();
    let mut server = one_worker(&with_text_encoder(folder.path(), "dies.onnx"));
    let first = embed(&server, &["a red bolt"]);
    // The golden check and five answers of the first sessions, then as many of the new ones: no client sees an error or
    // another answer.
    for run in 1..10 {
        let found = embed(&server, &["a red bolt"]);
        assert!(distance(&found[0], &first[0]) < 1e-6, "run {run}");
        let rebuilt = if run < 5 { 0.0 } else { 1.0 };
        assert_eq!(
            server.metric("clip_in_sessions_rebuilt_total"),
            rebuilt,
            "run {run}"
        );
        success(server.get("/readyz"));
    }
    assert_eq!(server.metric("clip_in_inference_failures_total"), 0.0);
    server.log_with("sessions of a worker rebuilt");
    assert_eq!(
        refused(&server, &["a red bolt"]),
        (503, "engine_dead".to_owned())
    );
    wait_for("the server to be unready", || {
        server.get("/readyz").status() == 503
    });
    // From now on it reports this at once, stays alive, and ends when it is told to.
    assert_eq!(
        refused(&server, &["a red cap"]),
        (503, "engine_dead".to_owned())
    );
    success(server.get("/healthz"));
    server.terminate();
    assert!(server.wait(Duration::from_secs(20)).unwrap().success());
}

#[test]
fn sessions_are_not_rebuilt_from_files_that_were_changed() {
    let folder = tempfile::tempdir().unwrap();
    let root = with_text_encoder(folder.path(), "dies.onnx");
    let server = one_worker(&root);
    for _ in 0..5 {
        embed(&server, &["a red bolt"]);
    }
    // A graph that would load and answer, with other numbers.
    fs::copy(server::demo().join("text.onnx"), root.join("text.onnx")).unwrap();
    assert_eq!(
        refused(&server, &["a red bolt"]),
        (503, "engine_dead".to_owned())
    );
    let log = server.log_with("cannot be rebuilt");
    assert!(log.contains("sha256"), "{log}");
    wait_for("the server to be unready", || {
        server.get("/readyz").status() == 503
    });
}

#[test]
fn the_golden_check_neither_counts_as_traffic_nor_uses_the_caches_of_clients() {
    let folder = tempfile::tempdir().unwrap();
    let root = with_text_encoder(folder.path(), "dies.onnx");
    let arguments = ["--workers", "1", "--text-cache-mib", "0"];
    let arguments = [&arguments[..], &["--image-cache-mib", "16"]].concat();
    let server = Server::launch(&mut serve(&[&root], &arguments));
    let counters = [
        "clip_in_decode_seconds_count",
        "clip_in_resize_seconds_count",
        "clip_in_tokenize_seconds_count",
        "clip_in_image_cache_misses_total",
        "clip_in_image_cache_hits_total",
    ];
    for counter in counters {
        assert_eq!(server.metric(counter), 0.0, "{counter} after the start");
    }
    // A client sends the inputs of the golden check; then the check runs again, with new sessions.
    let golden = fs::read(root.join("golden/golden.json")).unwrap();
    let golden: Value = serde_json::from_slice(&golden).unwrap();
    let images = golden["images"].as_array().unwrap();
    for image in images {
        let file = fs::read(root.join(image["file"].as_str().unwrap())).unwrap();
        let input = json!({"input": [{"image": base64(&file)}]});
        success(server.post("/v1/embeddings", &input));
    }
    for _ in 0..6 {
        embed(&server, &["a red bolt"]);
    }
    assert_eq!(server.metric("clip_in_sessions_rebuilt_total"), 1.0);
    success(server.get("/readyz"));
    let sent = images.len() as f64;
    for (counter, expected) in counters.into_iter().zip([sent, sent, 6.0, sent, 0.0]) {
        assert_eq!(server.metric(counter), expected, "{counter}");
    }
}
