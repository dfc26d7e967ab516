//! `clip-in audit` finds the captions that training reads, and reports what training does not read. The cases of
//! captions are those of the training module's test.

use std::fs;
use std::path::Path;

use crate::support::embed_input::write_tar;
use crate::support::server::{demo, program};
use crate::support::training_sets::{as_bmp, clean, drawn, write_parquet};
use serde_json::Value;

/// The report on a set that is compared with itself, so that all short captions are in it.
fn audited(data: &Path) -> Value {
    let folder = tempfile::tempdir().unwrap();
    let json = folder.path().join("report.json");
    let mut command = program();
    command.arg("audit").arg(data).arg("--model").arg(demo());
    command.arg("--against").arg(data).arg("--json").arg(&json);
    let output = command.output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    let text = fs::read_to_string(&json).unwrap_or_else(|error| panic!("{error}: {said}"));
    serde_json::from_str(&text).unwrap()
}

/// Places of a check's findings, without the set's name, with the note or kind.
fn found(report: &Value, check: &str, field: &str) -> Vec<(String, String)> {
    let examples = report["findings"][check]["examples"].as_array().unwrap();
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let place = |it: &Value| {
        text(&it["at"])
            .rsplit([':', '/'])
            .next()
            .unwrap()
            .to_owned()
    };
    let found = examples.iter().map(|it| (place(it), text(&it[field])));
    found.collect()
}

fn cases(kind: &str) -> Vec<Value> {
    let all: Value = serde_json::from_str(include_str!("../fixtures/captions.json")).unwrap();
    all[kind].as_array().unwrap().clone()
}

/// Name and content of a case's files.
fn files(number: usize, case: &Value) -> Vec<(String, Vec<u8>)> {
    let mut files = vec![(format!("{number:02}.png"), drawn(number as u32))];
    for kind in ["txt", "json"] {
        if let Some(text) = case[kind].as_str() {
            files.push((format!("{number:02}.{kind}"), text.as_bytes().to_vec()));
        }
    }
    files
}

fn assert_read(report: &Value, cases: &[Value], ending: &str) {
    let with = |field: &'static str| {
        let all = cases.iter().enumerate();
        all.filter_map(move |(i, case)| Some((format!("{i:02}{ending}"), case.get(field)?.clone())))
    };
    let short = with("short").map(|(place, text)| (place, text.as_str().unwrap().to_owned()));
    let short: Vec<_> = short.collect();
    assert_eq!(found(report, "leak-captions", "note"), short);
    let long = with("long").count();
    assert_eq!(report["data"]["caption_tokens"]["long"]["captions"], long);
    // Once in the set, once in the set for comparison.
    let broken: Vec<_> = with("broken").map(|(place, _)| place).collect();
    let places = found(report, "broken", "kind").into_iter().map(|it| it.0);
    assert_eq!(places.collect::<Vec<_>>(), [&broken[..], &broken].concat());
}

#[test]
fn captions_of_tars_are_those_of_training() {
    let folder = tempfile::tempdir().unwrap();
    let (tar, cases) = (folder.path().join("a.tar"), cases("tar"));
    let members: Vec<_> = (cases.iter().enumerate())
        .flat_map(|(number, case)| files(number, case))
        .collect();
    let members: Vec<_> = members.iter().map(|(name, it)| (&**name, &**it)).collect();
    write_tar(&tar, &members);
    assert_read(&audited(&tar), &cases, "");
}

#[test]
fn captions_of_folders_are_those_of_training() {
    let folder = tempfile::tempdir().unwrap();
    let cases = cases("folder");
    for (number, case) in cases.iter().enumerate() {
        for (name, content) in files(number, case) {
            fs::write(folder.path().join(name), content).unwrap();
        }
    }
    assert_read(&audited(folder.path()), &cases, ".png");
}

/// The report on a set alone: the files that were left out, with their kinds.
fn left_out(data: &Path, arguments: &[&str]) -> (Option<i32>, Vec<(String, String)>) {
    let folder = tempfile::tempdir().unwrap();
    let json = folder.path().join("report.json");
    let mut command = program();
    command.arg("audit").arg(data).arg("--model").arg(demo());
    command.args(arguments).arg("--json").arg(&json);
    let status = command.output().unwrap().status.code();
    let report = serde_json::from_str(&fs::read_to_string(&json).unwrap()).unwrap();
    (status, found(&report, "left-out", "kind"))
}

#[test]
fn files_that_training_does_not_read_are_named() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    let named = |names: &[(&str, &str)]| {
        let owned = names
            .iter()
            .map(|(a, b)| ((*a).to_owned(), (*b).to_owned()));
        owned.collect::<Vec<_>>()
    };
    let (png, bmp) = (drawn(1), as_bmp(&drawn(2)));
    let members: [(&str, &[u8]); 7] = [
        ("a.png", &png),
        ("a.cls", b"1"),
        ("b.cls", b"1"),
        ("a.txt", b"a disc"),
        ("a.jpg", &png),
        ("img.001.png", &png),
        ("c.bmp", &bmp),
    ];
    write_tar(&path("a.tar"), &members);
    let (status, found) = left_out(&path("a.tar"), &[]);
    let other = |name| (name, "other_ending");
    let wanted = [
        other("a.cls"),
        other("b.cls"),
        ("a.png", "replaced"),
        other("img.001.png"),
        other("c.bmp"),
    ];
    assert_eq!((status, found), (Some(0), named(&wanted)));
    let strict = left_out(&path("a.tar"), &["--fail-on", "left-out"]);
    assert_eq!(strict.0, Some(1));

    fs::create_dir(path("images")).unwrap();
    for (name, content) in [
        ("a.png", &*png),
        ("a.txt", b"a disc"),
        (".b.png", &png),
        ("c.avif", &png),
    ] {
        fs::write(path("images").join(name), content).unwrap();
    }
    let (_, found) = left_out(&path("images"), &[]);
    assert_eq!(found, named(&[(".b.png", "hidden"), other("c.avif")]));

    fs::create_dir(path("mixed")).unwrap();
    write_parquet(&path("mixed/a.parquet"), &clean());
    fs::write(path("mixed/b.png"), &png).unwrap();
    fs::write(path("mixed/notes.md"), "notes").unwrap();
    let (_, found) = left_out(&path("mixed"), &[]);
    assert_eq!(found, named(&[other("b.png"), other("notes.md")]));
}
