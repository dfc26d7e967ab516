//! `clip-in eval gate`: what it refuses, and what it writes.

use std::path::Path;

use serde_json::Value;

use crate::support::eval_data::{SCENES, png};
use crate::support::server::{demo, program};
use crate::support::training_sets::{Pair, write_parquet};

/// All pairs of two of these scenes; `swapped`: with each other's captions.
fn pairs(scenes: &[usize], swapped: bool) -> Vec<Pair> {
    let mut pairs = Vec::new();
    for (place, first) in scenes.iter().enumerate() {
        for second in &scenes[place + 1..] {
            let mut captions = [SCENES[*first].to_owned(), SCENES[*second].to_owned()];
            if swapped {
                captions.reverse();
            }
            pairs.push(Pair {
                images: [png(*first), png(*second)],
                captions,
                category: "scene",
                quality: 0.5,
            });
        }
    }
    pairs
}

struct Ended {
    status: i32,
    said: String,
    summary: Value,
}

impl Ended {
    fn rules(&self) -> Vec<&str> {
        let refusals = self.summary["refusals"].as_array().unwrap();
        refusals
            .iter()
            .map(|one| one["rule"].as_str().unwrap())
            .collect()
    }
}

fn gate(line: &Path, protected: &Path, out: &Path, more: &[&str]) -> Ended {
    let mut command = program();
    command.args([
        "eval",
        "gate",
        "--precision",
        "fp32",
        "--resamples",
        "200",
        "--baseline",
    ]);
    command.arg(demo()).arg("--candidate").arg(demo());
    command
        .arg("--pairs")
        .arg(line)
        .arg("--protected")
        .arg(protected);
    command.arg("--out").arg(out).args(more);
    let output = command.output().unwrap();
    let summary = std::fs::read(out.join("gate.json"));
    Ended {
        status: output.status.code().unwrap(),
        said: String::from_utf8_lossy(&output.stdout).into_owned()
            + &String::from_utf8_lossy(&output.stderr),
        summary: summary.map_or(Value::Null, |text| serde_json::from_slice(&text).unwrap()),
    }
}

#[test]
fn the_same_model_is_not_better_and_few_pairs_do_not_tell() {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str| folder.path().join(name);
    write_parquet(
        &file("test.parquet"),
        &pairs(&[0, 1, 2, 3, 4, 5, 6, 7], true),
    );
    write_parquet(&file("protected.parquet"), &pairs(&[0, 1, 8], false));
    let (line, protected, out) = (
        file("test.parquet"),
        file("protected.parquet"),
        file("gate"),
    );
    let ended = gate(&line, &protected, &out, &[]);
    assert_eq!(ended.status, 1, "{}", ended.said);
    assert_eq!(
        (ended.rules(), &ended.summary["passed"]),
        (vec!["not better"], &Value::Bool(false))
    );
    assert!(ended.said.contains("refused: not better"), "{}", ended.said);
    let page = std::fs::read_to_string(out.join("gate.html")).unwrap();
    assert!(
        page.contains("Refused.") && page.contains("text_to_image *"),
        "{page}"
    );
    // What it measured can be compared again.
    let mut again = program();
    again
        .args(["eval", "compare"])
        .arg(out.join("before"))
        .arg(out.join("after"));
    assert!(again.output().unwrap().status.success());

    let ended = gate(&protected, &protected, &out, &[]);
    assert_eq!(
        ended.rules(),
        ["too few pairs", "not better"],
        "{}",
        ended.said
    );

    let ended = gate(&file("nothing.parquet"), &protected, &file("other"), &[]);
    assert_eq!((ended.status, &ended.summary), (2, &Value::Null));
    assert!(ended.said.contains("nothing.parquet"), "{}", ended.said);
}
