//! Precisions and devices: the requested one runs, an unsupported one is refused, and `auto` reports its choice.

use std::process::Output;

use crate::support::server::{
    Server, base64, demo, distance, embeddings, fixture, program, success,
};
use serde_json::{Value, json};

fn refused(arguments: &[&str]) -> String {
    let Output { status, stderr, .. } = program()
        .args(["serve", "--listen", "127.0.0.1:0", "--model"])
        .arg(demo())
        .args(arguments)
        .output()
        .unwrap();
    // 1: it cannot run on this machine; 2: the settings are invalid on any machine.
    let mixed = arguments.iter().any(|it| it.contains("cpu,"));
    assert_eq!(status.code(), Some(1 + i32::from(mixed)), "{arguments:?}");
    String::from_utf8(stderr).unwrap()
}

fn model(server: &Server) -> Value {
    success(server.get("/v1/models"))["data"][0].clone()
}

fn cosine(a: &[f32], b: &[f32]) -> f32 {
    a.iter().zip(b).map(|(x, y)| x * y).sum()
}

fn sample(server: &Server) -> Vec<Vec<f32>> {
    let images = ["420-large.jpg", "rgb.png", "lossy.webp"]
        .map(|name| json!({"image": base64(&fixture(name))}));
    let texts = [
        "a red bolt",
        "three green caps on a grey tray, seen from above",
    ]
    .map(|text| json!({"text": text}));
    let input: Vec<Value> = images.into_iter().chain(texts).collect();
    embeddings(&success(
        server.post("/v1/embeddings", &json!({"input": input})),
    ))
}

#[test]
fn auto_respects_its_limits_and_reports_its_choice() {
    let (auto, fp32) = (
        Server::start(),
        Server::start_with(&["--precision", "fp32"]),
    );
    let (chosen, plain) = (model(&auto), model(&fp32));
    assert_eq!(
        (&plain["precision"], &plain["precision_reason"]),
        (&json!("fp32"), &json!("asked for"))
    );
    let reason = chosen["precision_reason"].as_str().unwrap();
    assert!(reason.starts_with("chosen by auto"), "{reason}");
    for (a, b) in sample(&auto).iter().zip(&sample(&fp32)) {
        assert!(1.0 - cosine(a, b) <= 1e-3 + 1e-6);
    }
    let ready = success(auto.get("/readyz"));
    assert_eq!(ready["models"][0]["precision"], chosen["precision"]);
    let info = format!(
        "clip_in_model_info{{device=\"cpu\",model=\"{}\",precision=\"{}\",provider=\"{}\"}}",
        chosen["id"].as_str().unwrap(),
        chosen["precision"].as_str().unwrap(),
        chosen["provider"].as_str().unwrap(),
    );
    assert_eq!(auto.metric(&info), 1.0);
}

#[test]
fn all_variants_of_the_bundle_give_similar_answers() {
    let fp32 = Server::start_with(&["--precision", "fp32"]);
    let expected = sample(&fp32);
    let manifest: Value =
        serde_json::from_slice(&std::fs::read(demo().join("bundle.json")).unwrap()).unwrap();
    for variant in manifest["variants"].as_array().unwrap() {
        let precision = variant["precision"].as_str().unwrap();
        if precision == "bf16" {
            continue; // needs a processor and a library that may not be here
        }
        let server = Server::start_with(&["--precision", precision]);
        let worst =
            ["image", "text"].map(|tower| variant["parity"][tower]["worst"].as_f64().unwrap());
        for (found, expected) in sample(&server).iter().zip(&expected) {
            let distance = f64::from(1.0 - cosine(found, expected));
            // These inputs differ from those of the export's measurement.
            let bound = 3.0 * worst[0].max(worst[1]) + 1e-5;
            assert!(
                distance <= bound,
                "{precision}: {distance:.1e} > {bound:.1e}"
            );
        }
    }
}

#[test]
fn missing_files_are_named() {
    let message = refused(&["--precision", "fp8"]);
    assert!(
        message.contains("no fp8 variant") && message.contains("fp32"),
        "{message}"
    );
    let message = refused(&["--devices", "cpu,cuda:0"]);
    assert!(message.contains("one kind"), "{message}");
}

#[test]
fn a_missing_gpu_is_an_error_and_not_replaced_by_the_cpu() {
    let message = refused(&["--devices", "cuda:0", "--precision", "fp32"]);
    assert!(
        message.contains("onnxruntime-cuda") || message.contains("CUDA"),
        "{message}"
    );
}

#[test]
fn workers_that_share_weights_give_the_same_answers_at_every_precision() {
    for precision in ["fp32", "int8"] {
        let arguments = ["--precision", precision, "--text-cache-mib", "0"];
        // Three pairs of sessions share their weights, one does not.
        let sharing = Server::start_with(&[&arguments[..], &["--workers", "3"]].concat());
        let alone = Server::start_with(&[&arguments[..], &["--workers", "1"]].concat());
        let body = json!({"input": [{"image": base64(&fixture("rgb.png"))}, "a red bolt"]});
        let of = |server: &Server| embeddings(&success(server.post("/v1/embeddings", &body)));
        for (shared, own) in of(&sharing).iter().zip(of(&alone)) {
            assert!(distance(shared, &own) <= 1e-6, "{precision}");
        }
    }
}
