//! The commands of `docs/src/how-to/inspect-a-line.md`, word by word, with drawn parts: from folders of images to a
//! calibrated line.

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Value, json};

use crate::support::parts::{Shot, png};
use crate::support::server::{Server, success};

/// The address in the how-to.
const ADDRESS: &str = "http://127.0.0.1:8080";

/// The shell commands of a section.
fn commands(section: &str) -> Vec<String> {
    let text = include_str!("../../docs/src/how-to/inspect-a-line.md");
    let section = text.split("\n## ").find(|part| part.starts_with(section));
    let blocks = section.unwrap().split("```sh\n").skip(1);
    let blocks = blocks.map(|block| block.split("```").next().unwrap().to_owned());
    blocks.collect()
}

/// Runs one command in the folder. Returns what it printed, and its errors.
fn run(server: &Server, folder: &Path, command: &str) -> (String, String) {
    let program = PathBuf::from(env!("CARGO_BIN_EXE_clip-in"));
    let mut path = program.parent().unwrap().as_os_str().to_owned();
    path.push(":");
    path.push(std::env::var_os("PATH").unwrap());
    let done = Command::new("sh")
        .args(["-ec", &command.replace(ADDRESS, &server.url)])
        .current_dir(folder)
        .env("PATH", path)
        .env("CLIP_IN_SERVER", &server.url)
        .env_remove("CLIP_IN_API_KEY")
        .output()
        .unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    let (printed, errors) = (text(done.stdout), text(done.stderr));
    assert!(done.status.success(), "{command}: {errors}");
    (printed, errors)
}

fn parsed(printed: &str) -> Value {
    serde_json::from_str(printed).unwrap_or_else(|error| panic!("{error}: {printed}"))
}

/// The folders that the how-to names, with this number of lots of two OK and two NG parts, and `part.png`, which is NG.
fn images(lots: u64) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let write = |path: String, seed: u64, scratched: bool| {
        let path = folder.path().join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, png(Shot::on_a_line(seed, scratched))).unwrap();
    };
    for number in 1..=4 {
        write(format!("good/{number:03}.png"), number, false);
    }
    for lot in 0..lots {
        for part in 0..2 {
            let seed = 1000 + 4 * lot + part;
            write(format!("parts/ok/lot-{lot}/{part}.png"), seed, false);
            write(format!("parts/ng/lot-{lot}/{part}.png"), seed + 2, true);
        }
    }
    write("part.png".to_owned(), 20, true);
    folder
}

#[test]
#[ignore = "two minutes: `make test-full-size` runs it"]
fn commands_lead_from_folders_to_a_calibrated_line() {
    // A promise of 5 % needs 72 parts of a class after a quarter of the lots is set aside.
    let folder = images(80);
    let server = Server::start();
    let run = |command: &String| run(&server, folder.path(), command);
    let commands = commands("From folders of images to a calibrated line");
    let [create, before, calibrate, after, report] = &commands[..] else {
        panic!("{commands:?}")
    };
    assert_eq!(parsed(&run(create).0)["state"], "not calibrated");
    let before = parsed(&run(before).0);
    assert_eq!(
        (&before["decision"], &before["reasons"]),
        (&json!("review"), &json!(["not calibrated"]))
    );
    let (printed, said) = run(calibrate);
    assert!(said.contains("320 of 320 parts"), "{said}");
    let holds = |text: &str| said.contains(&format!("{text}: holds: at most 5 % of"));
    assert!(holds("escape") && holds("overkill"), "{said}");
    let calibrated = parsed(&printed);
    assert_eq!(calibrated["consequences"]["defect_rate"], 0.005);
    let after = parsed(&run(after).0);
    assert_ne!(after["decision"], "ok", "{after}");
    assert_eq!(after["calibration"], calibrated["id"]);
    let line = parsed(&run(report).0);
    assert_eq!(line["state"], "calibrated");
    assert_eq!(line["parts"], json!({"ok": 160, "ng": 160, "left_out": 0}));
}

#[test]
fn requests_calibrate_a_line_and_say_what_more_it_needs() {
    let folder = images(6);
    let server = Server::start();
    let run = |command: &String| run(&server, folder.path(), command).0;
    let commands = commands("The same over HTTP");
    let [create, inspect, send, calibrate] = &commands[..] else {
        panic!("{commands:?}")
    };
    assert_eq!(parsed(&run(create))["version"], 1);
    assert_eq!(parsed(&run(inspect))["reasons"], json!(["not calibrated"]));
    let answers = run(send);
    let answers = serde_json::Deserializer::from_str(&answers).into_iter::<Value>();
    let added: Vec<_> = answers
        .map(|answer| answer.unwrap()["added"].clone())
        .collect();
    assert_eq!(added, vec![json!(2); 12]);
    let report = parsed(&run(calibrate));
    let text = report["escape"]["text"].as_str().unwrap();
    assert!(text.starts_with("infeasible: needs 72 NG parts"), "{text}");
    let line = success(server.get("/v1/lines/board"));
    assert_eq!(line["parts"], json!({"ok": 12, "ng": 12, "left_out": 0}));
}

#[test]
fn a_line_is_created_with_statements_and_how_it_is_stored() {
    let folder = images(0);
    let server = Server::start();
    let run = |command: &str| parsed(&run(&server, folder.path(), command).0);
    let line = run(
        "clip-in line create board --references good --statement 'a scratch' --statement 'a dent' \
         --retention-days 30 --store queued",
    );
    let texts: Vec<_> = line["statements"].as_array().unwrap().iter().collect();
    assert_eq!(
        texts,
        [&json!({"text": "a scratch"}), &json!({"text": "a dent"})]
    );
    assert_eq!(
        (&line["retention_days"], &line["store"]),
        (&json!(30), &json!("queued"))
    );
    let line = run("clip-in line create plain --references good");
    assert_eq!(
        (&line["retention_days"], &line["store"]),
        (&Value::Null, &json!("before"))
    );
}
