//! What must hold of any bytes, of those that are kept: the seeds of `make fuzz`, and whatever it has ever found.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // A failed unwrap is a failed test.

#[path = "../fuzz/src/checks.rs"]
mod checks;

use std::path::Path;

/// Runs a check on every file of a target's corpus.
fn all(target: &str, check: fn(&[u8])) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("fuzz/corpus")
        .join(target);
    let mut count = 0;
    for entry in std::fs::read_dir(&folder).unwrap() {
        let path = entry.unwrap().path();
        // The name of the one that fails is in what the test prints.
        println!("{}", path.display());
        check(&std::fs::read(&path).unwrap());
        count += 1;
    }
    assert!(count > 3, "{count} files in {}", folder.display());
}

#[test]
fn images() {
    checks::load();
    all("image", checks::image);
}

#[test]
fn json_bodies() {
    all("json_body", checks::json_body);
}

#[test]
fn tensors() {
    all("tensors", checks::tensors);
}

#[test]
fn manifests() {
    all("manifest", checks::manifest);
}

#[test]
fn texts() {
    all("text", checks::text);
}

#[test]
fn tokenizer_files() {
    all("tokenizer_file", checks::tokenizer_file);
}
