//! `clip-in eval compare`: the guarantees for a gate in CI.

use std::fs;
use std::path::Path;

use crate::support::server::program;
use serde_json::{Value, json};

/// A result in which each item is correct or wrong; the groups alternate.
fn report(
    benchmark: &str,
    fingerprint: &str,
    right: &[bool],
    groups: &[&str],
    over: &Value,
) -> Value {
    let items: Vec<Value> = right
        .iter()
        .enumerate()
        .map(|(i, right)| {
            let group = groups[i % groups.len()];
            json!({"id": format!("item {i}"), "group": group, "outcomes": {"hit": u8::from(*right)}})
        })
        .collect();
    let metric = json!({"value": 0.0, "low": 0.0, "high": 0.0, "n": right.len(), "outcome": "hit", "over": over, "headline": true});
    json!({
        "schema_version": 1, "program": "0", "benchmark": benchmark, "options": {},
        "model": {"name": "m", "precision": "fp32", "manifest_sha256": "0", "context_length": 77},
        "data_fingerprint": fingerprint, "records": right.len(), "scored": right.len(), "texts": 1, "truncated_texts": 0,
        "images": 1, "broken": [], "resamples": 100, "seed": 0, "confidence": 0.95, "metrics": {"accuracy": metric}, "items": items,
    })
}

/// Of 200 items, only the first is correct on `lost`, only the second on `won`; both on half of the rest.
fn two(lost: usize, won: usize) -> (Vec<bool>, Vec<bool>) {
    let first = |i: usize| i < lost || (i >= lost + won && i.is_multiple_of(2));
    let second =
        |i: usize| (lost..lost + won).contains(&i) || (i >= lost + won && i.is_multiple_of(2));
    (
        (0..200).map(first).collect(),
        (0..200).map(second).collect(),
    )
}

fn write(path: &Path, report: &Value) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, report.to_string()).unwrap();
}

/// Exit status, output, and the JSON.
fn compare(paths: &[&Path], more: &[&str]) -> (i32, String, Value) {
    let folder = tempfile::tempdir().unwrap();
    // A missing folder is created.
    let json = folder.path().join("results/out.json");
    let mut command = program();
    command
        .args(["eval", "compare"])
        .args(paths)
        .arg("--json")
        .arg(&json)
        .args(more);
    let output = command.output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned()
        + &String::from_utf8_lossy(&output.stderr);
    let found = fs::read(&json).map_or(Value::Null, |text| serde_json::from_slice(&text).unwrap());
    (output.status.code().unwrap(), said, found)
}

#[test]
fn mcnemar_and_the_rule() {
    let folder = tempfile::tempdir().unwrap();
    let (a, b) = (folder.path().join("a.json"), folder.path().join("b.json"));
    let (first, second) = two(8, 2);
    write(
        &a,
        &report("mmvp", "f", &first, &["x", "y"], &json!("items")),
    );
    write(
        &b,
        &report("mmvp", "f", &second, &["x", "y"], &json!("items")),
    );
    let (status, said, found) = compare(&[&a, &b], &[]);
    // 6 of 200 fewer: 3 points.
    assert_eq!(status, 1, "{said}");
    assert!(said.contains("FELL"), "{said}");
    let metric = &found[0]["benchmarks"][0]["metrics"]["accuracy"];
    let number = |name: &str| metric[name].as_f64().unwrap();
    assert!((number("difference") + 3.0).abs() < 1e-9, "{metric}");
    // 2 · (1 + 10 + 45) / 2^10, by hand.
    assert!((number("p") - 112.0 / 1024.0).abs() < 1e-12, "{metric}");
    assert_eq!(metric["test"], "mcnemar");
    assert!(
        number("low") < -3.0 && number("high") > -3.0 && number("low") > -8.0,
        "{metric}"
    );

    assert_eq!(
        compare(&[&a, &b], &["--margin", "3.0"]).0,
        0,
        "exactly the margin is allowed"
    );
    assert_eq!(compare(&[&a, &b], &["--margin", "2.9"]).0, 1);
    assert_eq!(
        compare(&[&b, &a], &[]).0,
        0,
        "an increase is not a decrease"
    );
    assert_eq!(
        compare(&[&a, &a, &b], &[]).0,
        1,
        "one of several candidates fell"
    );
    let (status, _, same) = compare(&[&a, &a], &[]);
    let metric = &same[0]["benchmarks"][0]["metrics"]["accuracy"];
    assert_eq!(
        (status, metric["p"].as_f64(), metric["low"].as_f64()),
        (0, Some(1.0), Some(0.0))
    );
}

#[test]
fn a_mean_of_groups_of_unequal_size_is_tested_by_bootstrap() {
    let folder = tempfile::tempdir().unwrap();
    let (a, b) = (folder.path().join("a.json"), folder.path().join("b.json"));
    let (first, second) = two(0, 60);
    let groups = ["x", "x", "y"];
    write(
        &a,
        &report("sugarcrepe", "f", &first, &groups, &json!("groups")),
    );
    write(
        &b,
        &report("sugarcrepe", "f", &second, &groups, &json!("groups")),
    );
    let (status, said, found) = compare(&[&a, &b], &[]);
    assert_eq!(status, 0, "{said}");
    let metric = &found[0]["benchmarks"][0]["metrics"]["accuracy"];
    assert_eq!(metric["test"], "bootstrap");
    assert!(
        metric["p"].as_f64().unwrap() < 0.01 && metric["low"].as_f64().unwrap() > 10.0,
        "{metric}"
    );
}

#[test]
fn incomparable_results_have_their_own_status() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    let right = [true, false, true];
    let one = |benchmark: &str, fingerprint: &str| {
        report(benchmark, fingerprint, &right, &["x"], &json!("items"))
    };
    write(&path("a.json"), &one("mmvp", "f"));
    write(&path("other-data.json"), &one("mmvp", "g"));
    let mut later = one("mmvp", "f");
    later["schema_version"] = json!(2);
    write(&path("later.json"), &later);
    write(&path("no-result.json"), &json!({"hello": 1}));
    let mut twice = one("mmvp", "f");
    twice["items"][1]["id"] = json!("item 0");
    write(&path("twice.json"), &twice);
    for (name, word) in [
        ("other-data.json", "different data"),
        ("later.json", "schema version 2"),
        ("no-result.json", "not a result"),
        ("twice.json", "item 0"),
        ("nowhere.json", "nowhere.json"),
    ] {
        let (status, said, _) = compare(&[&path("a.json"), &path(name)], &[]);
        assert!(
            status == 2 && said.contains(word),
            "{name}: {status} {said}"
        );
    }
    // Folders are matched by benchmark and data; protected benchmarks must exist.
    write(&path("old/mmvp.json"), &one("mmvp", "f"));
    write(&path("old/coco.json"), &one("retrieval", "c"));
    write(&path("new/some-name.json"), &one("mmvp", "f"));
    let folders = [path("old"), path("new")];
    let folders = [folders[0].as_path(), folders[1].as_path()];
    let (status, said, _) = compare(&folders, &[]);
    assert!(status == 2 && said.contains("retrieval"), "{said}");
    let (status, said, _) = compare(&folders, &["--protect", "mmvp"]);
    assert_eq!(status, 0, "{said}");
    let (status, said, _) = compare(&folders, &["--protect", "mmpv"]);
    assert!(status == 2 && said.contains("mmpv"), "{said}");
}
