//! Runs the fuzz checks on stored input: the seeds of `make fuzz`, and all its findings.

#[path = "../../fuzz/src/checks.rs"]
mod checks;

use std::path::Path;

use clip_in::bundle::Bundle;
use clip_in::preprocess::{Limits, decode};
use clip_in::tokenize::TextTokenizer;

/// Runs a check on every file of a target's corpus.
fn all(target: &str, check: fn(&[u8])) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("fuzz/corpus")
        .join(target);
    let mut count = 0;
    for entry in std::fs::read_dir(&folder).unwrap() {
        let path = entry.unwrap().path();
        // The output of the test contains the name of the failing file.
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
fn tiffs() {
    checks::load();
    all("tiff", checks::tiff);
}

#[test]
fn json_bodies() {
    all("json_body", checks::json_body);
}

#[test]
fn labelsets() {
    all("labelset_json", checks::labelset_json);
}

#[test]
fn grpc_bodies() {
    // The fuzz target checks how much memory they take.
    all("grpc_wire", |bytes| {
        checks::grpc_wire(bytes, |_most, work| work());
    });
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

fn found(path: &str) -> Vec<u8> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    std::fs::read(root.join("fuzz/corpus").join(path)).unwrap()
}

#[test]
fn a_webp_frame_larger_than_its_canvas_is_refused_before_it_is_decoded() {
    // The canvas is 61 by 47, the frame 16383 by 16383: 400 MB in 767 bytes.
    let file = found("image/frame-larger-than-canvas.webp");
    let refusal = decode(&file, &Limits::default(), false).unwrap_err();
    assert_eq!(refusal.code(), "image_too_large", "{refusal}");
}

#[test]
fn a_tiff_whose_directory_is_longer_than_the_file_is_refused_before_it_is_read() {
    // A kilobyte that declares four million strips.
    let file = found("image/more-strips-than-bytes.tiff");
    let refusal = decode(&file, &Limits::default(), false).unwrap_err();
    assert_eq!(refusal.code(), "image_corrupt", "{refusal}");
    assert!(refusal.to_string().contains("directory"), "{refusal}");
}

#[test]
fn a_file_at_which_the_tokenizer_library_panics_is_an_error() {
    let demo = Path::new(env!("CARGO_MANIFEST_DIR")).join("models/demo");
    let text = Bundle::open_unverified(&demo).unwrap().manifest.text;
    let file = found("tokenizer_file/decoder-without-colon.json");
    let refusal = TextTokenizer::from_bytes(&file, &text).unwrap_err();
    assert!(refusal.starts_with("not a tokenizer"), "{refusal}");
}
