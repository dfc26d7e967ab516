//! Names of people leave the server as pseudonyms only, where that is wanted: in messages to the plant and in exported pairs.

use std::path::Path;

use arrow_array::cast::AsArray;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use serde_json::{Value, json};

use crate::support::parts::{FEW_PIXELS, Shot, png};
use crate::support::server::{Server, base64, demo, program, success};

const NAME: &str = "tanaka-hanako";
const KEY: &str = "a key of these tests, and of no others";

/// `hmac.new(b"a key of the tests only", b"tanaka-hanako", "sha256").hexdigest()[:16]` in Python.
const PSEUDONYM: &str = "person-fe29387d032be612";

fn ask(server: &Server, method: &str, path: &str, body: &Value) -> Value {
    let url = format!("{}{path}", server.url);
    let request = server.client.request(method.parse().unwrap(), url);
    success(request.header("x-api-key", KEY).json(body).send().unwrap())
}

/// All bytes of the files below a folder.
fn bytes_below(folder: &Path) -> Vec<u8> {
    let mut all = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        all.extend(if path.is_dir() {
            bytes_below(&path)
        } else {
            // A message that is being renamed is read the next time.
            std::fs::read(&path).unwrap_or_default()
        });
    }
    all
}

fn contains(bytes: &[u8], text: &str) -> bool {
    let text = text.as_bytes();
    bytes.windows(text.len()).any(|part| part == text)
}

#[test]
fn names_of_people_leave_as_pseudonyms() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    for name in ["state", "messages"] {
        std::fs::create_dir(at(name)).unwrap();
    }
    std::fs::write(at("pseudonym.key"), "a key of the tests only\n").unwrap();
    let roles = "[\"calibrate\", \"review\", \"inspect\", \"admin\"]";
    let keys = format!("[[key]]\nname = \"{NAME}\"\nkey = \"{KEY}\"\nroles = {roles}\n");
    std::fs::write(at("keys.toml"), keys).unwrap();
    let sinks = "[[sink]]\nname = 'mes'\nkind = 'folder'\npath = 'DIR/messages'\npseudonym_key_file = 'DIR/pseudonym.key'\n";
    let sinks = sinks.replace("DIR", folder.path().to_str().unwrap());
    std::fs::write(at("sinks.toml"), sinks).unwrap();
    let paths = ["state", "keys.toml", "sinks.toml"].map(|name| at(name).display().to_string());
    let [state, keys, sinks] = paths.each_ref().map(String::as_str);
    let server = Server::start_with(&["--state", state, "--api-keys-file", keys, "--sinks", sinks]);

    let statement =
        json!({"text": "a scratched board", "reference_text": "a clean board", "kind": "scratch"});
    let line = json!({"references": [base64(&png(Shot::on_a_line(1, false)))], "resolution": FEW_PIXELS, "statements": [statement], "audit": 0.0});
    ask(&server, "PUT", "/v1/lines/board", &line);
    let url = format!("{}/v1/lines/board/inspections?part=1", server.url);
    let request = server.client.post(url).header("x-api-key", KEY);
    let request = request.header("content-type", "image/png");
    let picture = png(Shot::on_a_line(2, true));
    let inspected = success(request.body(picture).send().unwrap());
    let id = inspected["id"].as_str().unwrap();
    let said = json!({"verdict": "ng", "kind": "scratch"});
    let path = format!("/v1/inspections/{id}/verdict");
    // The server itself tells the name to those who may read verdicts.
    assert_eq!(ask(&server, "POST", &path, &said)["who"], NAME);

    let start = std::time::Instant::now();
    while !contains(&bytes_below(&at("messages")), PSEUDONYM) {
        assert!(start.elapsed().as_secs() < 60, "no message came");
        std::thread::sleep(std::time::Duration::from_millis(50));
    }
    let export = |more: &[&Path]| {
        let mut command = program();
        command.args(["line", "export", "board", "--out"]);
        command.arg(at("pairs")).arg("--model").arg(demo());
        if let [key] = more {
            command.arg("--pseudonym-key-file").arg(key);
        }
        command.env("CLIP_IN_SERVER", &server.url);
        command.env("CLIP_IN_API_KEY", KEY).output().unwrap()
    };
    let reviewers = || {
        let mut names = Vec::new();
        for split in ["train", "validation", "test"] {
            let file = std::fs::File::open(at("pairs").join(format!("{split}.parquet"))).unwrap();
            let reader = ParquetRecordBatchReaderBuilder::try_new(file).unwrap();
            for batch in reader.build().unwrap() {
                let batch = batch.unwrap();
                let column = batch.column_by_name("reviewer").unwrap();
                names.extend(
                    column
                        .as_string::<i32>()
                        .iter()
                        .flatten()
                        .map(str::to_owned),
                );
            }
        }
        names
    };
    let done = export(&[&at("pseudonym.key")]);
    assert!(
        done.status.success(),
        "{}",
        String::from_utf8_lossy(&done.stderr)
    );
    assert_eq!(reviewers(), [PSEUDONYM]);
    for sent in ["messages", "pairs"] {
        assert!(!contains(&bytes_below(&at(sent)), NAME), "{sent}");
    }
    // Without a key, the pairs have the name.
    assert!(export(&[]).status.success());
    assert_eq!(reviewers(), [NAME]);
    // A key that could be guessed, and one that is missing.
    std::fs::write(at("short.key"), "short").unwrap();
    for (file, reason) in [
        ("short.key", "at least 16 bytes"),
        ("none.key", "cannot read"),
    ] {
        let refused = export(&[&at(file)]);
        let said = String::from_utf8_lossy(&refused.stderr);
        assert!(
            !refused.status.success()
                && said.contains("--pseudonym-key-file")
                && said.contains(reason),
            "{said}"
        );
    }
}
