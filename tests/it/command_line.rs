//! The command line, as typed by a user.

use crate::support::server;
use std::fs;
use std::path::Path;
use std::process::Output;

use crate::support::embed_output::rows;
use crate::support::server::{
    Server, demo, distance, embeddings, fixture, numbers, program, success,
};
use serde_json::{Value, json};

fn run(arguments: &[&str]) -> Output {
    program().args(arguments).output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[test]
fn score_agrees_with_the_server() {
    let folder = tempfile::tempdir().unwrap();
    let image = folder.path().join("picture");
    fs::write(&image, fixture("420-large.jpg")).unwrap();
    let model = demo().display().to_string();
    let image = image.display().to_string();
    let arguments = [
        "score",
        "--model",
        &model,
        "--image",
        &image,
        "--text",
        "a red bolt",
        "--text",
        "a blue mug",
    ];
    let found: Value =
        serde_json::from_slice(&run(&[&arguments[..], &["--json"]].concat()).stdout).unwrap();
    let server = Server::start();
    let body = json!({"images": [server::base64(&fixture("420-large.jpg"))], "texts": ["a red bolt", "a blue mug"]});
    let expected = success(server.post("/v1/similarity", &body));
    assert!(distance(&numbers(&found["scores"]), &numbers(&expected["scores"][0])) < 1e-5);
    assert!(
        distance(
            &numbers(&found["probabilities"]),
            &numbers(&expected["probabilities"][0])
        ) < 1e-4
    );
    let printed = text(&run(&arguments).stdout);
    assert!(
        printed.contains("a red bolt") && printed.contains('%'),
        "{printed}"
    );

    let missing = run(&[
        "score",
        "--model",
        &model,
        "--image",
        "/nowhere.png",
        "--text",
        "a",
    ]);
    assert!(!missing.status.success() && text(&missing.stderr).contains("/nowhere.png"));
    let broken = folder.path().join("broken.jpg");
    fs::write(&broken, fixture("truncated-half.jpg")).unwrap();
    let broken = run(&[
        "score",
        "--model",
        &model,
        "--image",
        &broken.display().to_string(),
        "--text",
        "a",
    ]);
    assert!(
        !broken.status.success() && text(&broken.stderr).contains("broken.jpg"),
        "{}",
        text(&broken.stderr)
    );
}

#[test]
fn embed_continues_and_loses_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let images = folder.path().join("images");
    fs::create_dir_all(images.join("below")).unwrap();
    let good = ["rgb.png", "420.jpg", "lossy.webp", "cmyk.jpg"];
    for name in good {
        fs::write(images.join(name), fixture(name)).unwrap();
    }
    fs::write(images.join("below/rgb.bmp"), fixture("rgb.bmp")).unwrap();
    fs::write(images.join("broken.jpg"), fixture("truncated-half.jpg")).unwrap();
    fs::write(images.join("notes.txt"), "no picture").unwrap();
    let texts = folder.path().join("texts.txt");
    fs::write(&texts, "a red bolt\n\na blue mug\n").unwrap();
    let out = folder.path().join("out.parquet");
    let path = |p: &Path| p.display().to_string();
    let model = path(&demo());
    let (images_path, texts_path, out_path) = (path(&images), path(&texts), path(&out));
    let arguments = [
        "embed",
        "--model",
        &model,
        "--images",
        &images_path,
        "--texts",
        &texts_path,
        "--out",
        &out_path,
    ];

    let first = run(&arguments);
    assert!(first.status.success(), "{}", text(&first.stderr));
    let found = rows(&out);
    let ids: Vec<_> = found
        .iter()
        .map(|(id, kind, _)| format!("{kind}:{id}"))
        .collect();
    let expected = [
        "image:420.jpg",
        "image:below/rgb.bmp",
        "image:cmyk.jpg",
        "image:lossy.webp",
        "image:rgb.png",
        "text:1",
        "text:3",
    ];
    assert_eq!(ids, expected);
    let errors = fs::read_to_string(folder.path().join("out.parquet.errors.jsonl")).unwrap();
    assert_eq!(errors.lines().count(), 2, "{errors}");
    assert!(errors.contains("broken.jpg") && errors.contains("notes.txt"));

    // Only new items are embedded, and broken ones are tried again.
    fs::write(images.join("broken.jpg"), fixture("444.jpg")).unwrap();
    fs::write(images.join("zz-new.png"), fixture("grey.png")).unwrap();
    let second = run(&arguments);
    assert!(
        text(&second.stderr).contains("7 embeddings exist already"),
        "{}",
        text(&second.stderr)
    );
    let after = rows(&out);
    assert_eq!(after.len(), 9);
    assert_eq!(after[..7], found[..]);
    let strict = run(&[&arguments[..], &["--strict"]].concat());
    assert_eq!(
        strict.status.code(),
        Some(1),
        "notes.txt is still not a picture"
    );

    // The numbers equal the server's.
    let server = Server::start();
    let answer = success(server.post_bytes("/v1/embeddings", "image/png", fixture("rgb.png")));
    let row = after.iter().find(|row| row.0 == "rgb.png").unwrap();
    assert!(distance(&row.2, &embeddings(&answer)[0]) < 1e-5);
}

#[test]
fn embed_killed_at_any_time_ends_with_every_item_once() {
    let folder = tempfile::tempdir().unwrap();
    let texts = folder.path().join("texts.txt");
    let lines: Vec<String> = (0..6000)
        .map(|i| format!("a plate with {i} holes"))
        .collect();
    fs::write(&texts, lines.join("\n")).unwrap();
    let out = folder.path().join("out.parquet");
    let mut command = program();
    command
        .arg("embed")
        .arg("--model")
        .arg(demo())
        .arg("--texts")
        .arg(&texts)
        .arg("--out")
        .arg(&out);
    for milliseconds in [300, 500, 700, 900] {
        let mut process = command.stderr(std::process::Stdio::null()).spawn().unwrap();
        std::thread::sleep(std::time::Duration::from_millis(milliseconds));
        let _ = process.kill();
        process.wait().unwrap();
    }
    assert!(command.status().unwrap().success());
    let mut ids: Vec<usize> = rows(&out)
        .iter()
        .map(|row| row.0.parse().unwrap())
        .collect();
    ids.sort_unstable();
    assert_eq!(ids, (1..=6000).collect::<Vec<_>>());
    assert!(!folder.path().join("out.parquet.parts").exists());
}

#[test]
fn a_changed_bundle_is_refused_with_the_file_name() {
    let copy = tempfile::tempdir().unwrap();
    let restore = |name: &str| {
        let to = copy.path().join(name);
        fs::create_dir_all(to.parent().unwrap()).unwrap();
        fs::copy(demo().join(name), to).unwrap();
    };
    let manifest: Value =
        serde_json::from_slice(&fs::read(demo().join("bundle.json")).unwrap()).unwrap();
    manifest["files"]
        .as_object()
        .unwrap()
        .keys()
        .for_each(|name| restore(name));
    restore("bundle.json");
    let folder = copy.path().display().to_string();
    let verify = || {
        let output = run(&["model", "verify", &folder]);
        (
            output.status.success(),
            text(&output.stdout) + &text(&output.stderr),
        )
    };
    assert!(verify().0, "{}", verify().1);

    // one byte of a graph
    let graph = copy.path().join("image.onnx");
    let mut bytes = fs::read(&graph).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(&graph, bytes).unwrap();
    let (good, said) = verify();
    assert!(
        !good && said.contains("image.onnx") && said.contains("sha256"),
        "{said}"
    );
    let refused = run(&["serve", "--listen", "127.0.0.1:0", "--model", &folder]);
    assert!(!refused.status.success() && text(&refused.stderr).contains("image.onnx"));
    restore("image.onnx");

    // golden embeddings of another model, with a correct checksum
    let golden = copy.path().join("golden/golden.json");
    let mut content: Value = serde_json::from_slice(&fs::read(&golden).unwrap()).unwrap();
    let vector = content["texts"][0]["embedding"].as_array_mut().unwrap();
    vector.reverse();
    let content = content.to_string();
    fs::write(&golden, &content).unwrap();
    let mut changed = manifest.clone();
    changed["files"]["golden/golden.json"] = json!(sha256(content.as_bytes()));
    fs::write(copy.path().join("bundle.json"), changed.to_string()).unwrap();
    let (good, said) = verify();
    assert!(
        // bf16 is checked first, if the CPU has it.
        !good && said.contains("golden check of ") && said.contains(" failed for "),
        "{said}"
    );
    restore("golden/golden.json");

    // weights that the golden scores were not computed with
    let mut changed = manifest.clone();
    changed["statements"]["weights"]["direction"] = json!(1.0);
    fs::write(copy.path().join("bundle.json"), changed.to_string()).unwrap();
    let (good, said) = verify();
    assert!(
        !good && said.contains("statements.golden: the scores are"),
        "{said}"
    );

    // for invalid manifests the error names the field
    for (pointer, value, word) in [
        ("/format_version", json!(99), "format_version"),
        ("/image/input/layout", json!("NCHW"), "image.input"),
        ("/text/context_length", json!(1), "context_length"),
        ("/tokenizer", json!("../tokenizer.json"), "tokenizer.json"),
        ("/text/cleaning", json!("bleach"), "bleach"),
    ] {
        let mut changed = manifest.clone();
        *changed.pointer_mut(pointer).unwrap() = value;
        fs::write(copy.path().join("bundle.json"), changed.to_string()).unwrap();
        let (good, said) = verify();
        assert!(!good && said.contains(word), "{pointer}: {said}");
    }
    let (good, said) = (run(&["model", "verify", "/nowhere"]), "bundle.json");
    assert!(!good.status.success() && text(&good.stderr).contains(said));
    restore("bundle.json");
    let inspected = text(&run(&["model", "inspect", &folder]).stdout);
    assert!(
        inspected.contains("clip-in-demo") && inspected.contains("fp32"),
        "{inspected}"
    );
}

fn sha256(bytes: &[u8]) -> String {
    use sha2::{Digest, Sha256};
    Sha256::digest(bytes)
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}
