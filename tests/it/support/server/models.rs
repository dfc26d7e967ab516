//! Bundles derived from the demo, and servers that load them while they run.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use reqwest::blocking::Response;
use serde_json::{Value, json};
use tempfile::TempDir;

use super::{Server, base64, demo, fixture, numbers, program, success};

pub const DEMO: &str = "clip-in-demo";

/// A copy of the demo bundle with another manifest: the checksums cover every other file.
pub fn bundle(folder: &Path, change: impl FnOnce(&mut Value)) -> PathBuf {
    let read = |name: &str| fs::read(demo().join(name)).unwrap();
    let mut manifest: Value = serde_json::from_slice(&read("bundle.json")).unwrap();
    for name in manifest["files"].as_object().unwrap().keys() {
        let to = folder.join(name);
        fs::create_dir_all(to.parent().unwrap()).unwrap();
        fs::copy(demo().join(name), to).unwrap();
    }
    change(&mut manifest);
    fs::write(folder.join("bundle.json"), manifest.to_string()).unwrap();
    folder.to_owned()
}

/// The demo model under another name.
pub fn named(folder: &Path, name: &str) -> PathBuf {
    bundle(folder, |manifest| manifest["name"] = json!(name))
}

/// Leaves the weights of statements out: they belong to the demo's own texts.
pub fn without_weights(manifest: &mut Value) {
    manifest.as_object_mut().unwrap().remove("statements");
}

/// The demo model without its graph of features, and without weights of statements.
pub fn without_features(folder: &Path, name: &str) -> PathBuf {
    bundle(folder, |manifest| {
        manifest["name"] = json!(name);
        without_weights(manifest);
        manifest.as_object_mut().unwrap().remove("features");
        let files = manifest["files"].as_object_mut().unwrap();
        files.retain(|file, _| !file.contains("features"));
    })
}

/// A model whose answers differ from the demo's: it has another logit scale.
pub fn different(folder: &Path, name: &str) -> PathBuf {
    bundle(folder, |manifest| {
        manifest["name"] = json!(name);
        manifest["similarity"]["logit_scale"] = json!(10.0);
    })
}

/// A model whose embeddings differ from the demo's: its only graphs are the quantised ones.
pub fn quantised(folder: &Path, name: &str) -> PathBuf {
    bundle(folder, |manifest| {
        manifest["name"] = json!(name);
        let variants = manifest["variants"].as_array_mut().unwrap();
        variants.retain(|variant| variant["precision"] == "int8");
        variants[0]["precision"] = json!("fp32");
        let files = manifest["files"].as_object_mut().unwrap();
        files.retain(|file, _| !["image.onnx", "text.onnx"].contains(&file.as_str()));
    })
}

pub fn serve(models: &[&Path], arguments: &[&str]) -> Command {
    let mut command = program();
    command.args(["serve", "--listen", "127.0.0.1:0", "--precision", "fp32"]);
    for model in models {
        command.arg("--model").arg(model);
    }
    command.args(arguments);
    command
}

/// A server with admin routes that load from a folder.
pub fn with_admin(root: &TempDir, models: &[&Path], arguments: &[&str]) -> Server {
    let mut command = serve(models, arguments);
    command.arg("--admin").arg("--models-root").arg(root.path());
    Server::launch(&mut command)
}

pub fn load(server: &Server, path: &str) -> Response {
    server.post("/v1/admin/models", &json!({"path": path}))
}

pub fn delete(server: &Server, path: &str) -> Response {
    let url = format!("{}{path}", server.url);
    server.client.delete(url).send().unwrap()
}

pub fn question(model: Option<&str>) -> Value {
    let mut body = json!({"images": [base64(&fixture("420-large.jpg"))], "texts": ["a red bolt"]});
    if let Some(model) = model {
        body["model"] = json!(model);
    }
    body
}

/// Score and logit of the only image and text.
pub fn answer(answer: &Value) -> [f32; 2] {
    [
        numbers(&answer["scores"][0])[0],
        numbers(&answer["logits"][0])[0],
    ]
}

pub fn wait_for(what: &str, done: impl Fn() -> bool) {
    let until = Instant::now() + Duration::from_secs(60);
    while !done() {
        assert!(Instant::now() < until, "{what} did not happen");
        std::thread::sleep(Duration::from_millis(20));
    }
}

pub fn names(server: &Server) -> Vec<String> {
    let models = success(server.get("/v1/models"));
    let data = models["data"].as_array().unwrap();
    data.iter()
        .map(|model| model["id"].as_str().unwrap().to_owned())
        .collect()
}
