//! Weights in a file beside a graph: the bundle is used only if the manifest has a checksum for that file.

use std::fs;
use std::path::{Path, PathBuf};

use crate::support::server::models::{
    DEMO, bundle, load, named, names, with_admin, without_weights,
};
use crate::support::server::{demo, failure, program, success};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

fn fixture(name: &str) -> Vec<u8> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures");
    fs::read(folder.join(name)).unwrap()
}

fn digest(bytes: &[u8]) -> Value {
    let digest = Sha256::digest(bytes);
    let hex = digest.iter().map(|byte| format!("{byte:02x}"));
    Value::String(hex.collect())
}

/// The demo bundle with a text encoder whose weights are in `location`, a name of 11 letters. `listed` are its files
/// with checksums in the manifest.
fn with_weights(folder: &Path, graph: &str, location: &str, listed: &[&str]) -> PathBuf {
    let mut graph = fixture(graph);
    let places = (0..graph.len() - 11).filter(|i| graph[*i..].starts_with(b"weights.bin"));
    for place in places.collect::<Vec<_>>() {
        graph[place..place + 11].copy_from_slice(location.as_bytes());
    }
    let root = bundle(folder, |manifest| {
        manifest["name"] = json!("external");
        without_weights(manifest);
    });
    fs::write(root.join("text.onnx"), graph).unwrap();
    let weights = root.join(location);
    fs::create_dir_all(weights.parent().unwrap()).unwrap();
    fs::write(weights, fixture("weights.bin")).unwrap();
    let golden = root.join("golden/golden.json");
    let mut content: Value = serde_json::from_slice(&fs::read(&golden).unwrap()).unwrap();
    content["texts"] =
        serde_json::from_str(include_str!("../fixtures/failing_golden.json")).unwrap();
    fs::write(&golden, content.to_string()).unwrap();
    let manifest = root.join("bundle.json");
    let mut content: Value = serde_json::from_slice(&fs::read(&manifest).unwrap()).unwrap();
    let variants = content["variants"].as_array_mut().unwrap();
    variants.truncate(1);
    for name in listed.iter().chain(&["text.onnx", "golden/golden.json"]) {
        content["files"][*name] = digest(&fs::read(root.join(name)).unwrap());
    }
    fs::write(manifest, content.to_string()).unwrap();
    root
}

#[test]
fn weights_beside_a_graph_need_a_checksum() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    let server = with_admin(&folder, &[&demo()], &["--workers", "1"]);
    for (graph, name) in [
        ("external.onnx", "plain"),
        ("external_inside.onnx", "inside"),
    ] {
        let root = with_weights(&path(name), graph, "weights.bin", &[]);
        let (status, code, _) = failure(load(&server, name));
        assert_eq!((status, &*code), (422, "bundle_file_invalid"), "{name}");
        let refused = program().args(["model", "verify"]).arg(&root).output();
        let refused = refused.unwrap();
        let said = String::from_utf8_lossy(&refused.stderr).into_owned();
        assert_eq!(refused.status.code(), Some(1), "{said}");
        assert!(
            said.contains("text.onnx") && said.contains("weights.bin"),
            "{said}"
        );
    }

    // A name that leads outside is refused, whatever the manifest lists; one below the graph's folder is not.
    fs::create_dir(path("out")).unwrap();
    with_weights(&path("out/bundle"), "external.onnx", "../ghts.bin", &[]);
    let (status, code, _) = failure(load(&server, "out/bundle"));
    assert_eq!((status, &*code), (422, "bundle_file_invalid"));
    let listed = ["sub/hts.bin"];
    with_weights(&path("below"), "external.onnx", listed[0], &listed);
    success(load(&server, "below"));

    // The file differs from the one in the manifest.
    let root = with_weights(
        &path("changed"),
        "external.onnx",
        "weights.bin",
        &["weights.bin"],
    );
    fs::write(root.join("weights.bin"), [0; 768]).unwrap();
    let (status, code, _) = failure(load(&server, "changed"));
    assert_eq!((status, &*code), (422, "bundle_checksum_mismatch"));
    assert_eq!(names(&server), [DEMO, "external"]);
}

#[test]
fn the_graphs_of_every_variant_are_checked() {
    let folder = tempfile::tempdir().unwrap();
    let root = named(folder.path(), "external");
    let (graph, weights) = (fixture("external.onnx"), fixture("weights.bin"));
    fs::write(root.join("other.onnx"), &graph).unwrap();
    fs::write(root.join("weights.bin"), weights).unwrap();
    let manifest = root.join("bundle.json");
    let mut content: Value = serde_json::from_slice(&fs::read(&manifest).unwrap()).unwrap();
    content["files"]["other.onnx"] = digest(&graph);
    let mut variant = content["variants"][0].clone();
    variant["precision"] = json!("other");
    variant["text"] = json!("other.onnx");
    content["variants"].as_array_mut().unwrap().push(variant);
    fs::write(manifest, content.to_string()).unwrap();
    // Precision fp32 is requested, and the bundle as a whole is refused.
    let mut command = program();
    command.args(["score", "--precision", "fp32", "--image"]);
    command.arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/images/rgb.png"));
    command.args(["--text", "a cup", "--model"]).arg(&root);
    let output = command.output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!output.status.success(), "{said}");
    assert!(
        said.contains("other.onnx") && said.contains("weights.bin"),
        "{said}"
    );
}
