//! `--alias`: other names of models.

use std::io::Read;
use std::process::Stdio;

use crate::support::server::{Server, base64, demo, failure, fixture, program, success};
use serde_json::json;

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
