//! API keys: access, lane, concurrent requests, and changes while the server runs.

use crate::support::server;
use std::sync::Barrier;
use std::time::{Duration, Instant};

use crate::support::server::{Server, program};
use serde_json::{Value, json};

const LINE: &str = "line-key-0123456789abcdef";
const CATALOGUE: &str = "catalogue-key-0123456789";

fn file(text: &str) -> tempfile::NamedTempFile {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), text).unwrap();
    file
}

fn start(file: &tempfile::NamedTempFile) -> Server {
    Server::start_with(&["--api-keys-file", file.path().to_str().unwrap()])
}

fn ask(server: &Server, header: Option<(&str, &str)>) -> (u16, Value) {
    let url = format!("{}/v1/embeddings", server.url);
    let mut request = server
        .client
        .post(url)
        .json(&json!({"input": "a red bolt"}));
    if let Some((name, value)) = header {
        request = request.header(name, value);
    }
    let response = request.send().unwrap();
    (response.status().as_u16(), response.json().unwrap())
}

#[test]
fn only_requests_with_a_key_are_accepted() {
    let digest = "5f5a4a2f0f8a4b9f0c9e6a2a36f2d7c5a4e8f6cf1a2b3c4d5e6f708192a3b4c5";
    let keys = file(&format!(
        "[[key]]\nname = \"line\"\nkey = \"{LINE}\"\n[[key]]\nname = \"other\"\nsha256 = \"{digest}\"\n"
    ));
    let server = start(&keys);
    let bearer = format!("Bearer {LINE}");
    assert_eq!(ask(&server, Some(("authorization", &bearer))).0, 200);
    assert_eq!(ask(&server, Some(("x-api-key", LINE))).0, 200);
    for header in [
        None,
        Some(("authorization", "Bearer wrong-key-0123456789")),
        Some(("authorization", LINE)),
        Some(("authorization", "")),
        Some(("x-api-key", &LINE[1..])),
        // The digest in the file is not a valid key.
        Some(("x-api-key", digest)),
    ] {
        let (status, error) = ask(&server, header);
        assert_eq!(
            (status, &error["error"]["code"]),
            (401, &json!("unauthorized")),
            "{header:?}"
        );
    }
    for open in ["/healthz", "/readyz", "/metrics", "/"] {
        assert_eq!(server.get(open).status(), 200, "{open}");
    }
    let url = format!("{}/v2/rerank", server.url);
    let request = server.client.post(url);
    let response = request
        .json(&json!({"query": "a", "documents": ["b"]}))
        .send();
    let response = response.unwrap();
    assert_eq!(response.status(), 401);
    // Not a route of the Open Inference Protocol: the error has the REST format.
    let error: Value = response.json().unwrap();
    assert_eq!(error["error"]["code"], "unauthorized");
    for closed in ["/v1/models", "/v1/labelsets", "/v2/models/clip-in-demo"] {
        assert_eq!(server.get(closed).status(), 401, "{closed}");
    }
    assert!(!server.log().contains(LINE), "a key is in the log");
}

#[test]
fn a_key_stored_as_its_digest_is_accepted() {
    use sha2::Digest;
    let digest = sha2::Sha256::digest(CATALOGUE);
    let digest: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
    let keys = file(&format!(
        "[[key]]\nname = \"catalogue\"\nsha256 = \"{digest}\"\n"
    ));
    let server = start(&keys);
    assert_eq!(ask(&server, Some(("x-api-key", CATALOGUE))).0, 200);
}

#[test]
fn keys_change_while_the_server_runs_and_a_broken_file_changes_nothing() {
    let line = format!("[[key]]\nname = \"line\"\nkey = \"{LINE}\"\n");
    let keys = file(&line);
    let server = start(&keys);
    let opens = |key: &str| ask(&server, Some(("x-api-key", key))).0 == 200;
    assert!(opens(LINE) && !opens(CATALOGUE));
    let both = format!("{line}[[key]]\nname = \"catalogue\"\nkey = \"{CATALOGUE}\"\n");
    std::fs::write(keys.path(), &both).unwrap();
    wait_for("the new key", || opens(CATALOGUE));
    assert!(opens(LINE));
    std::fs::write(keys.path(), "[[key]]\nname = \n").unwrap();
    wait_for("a message", || {
        server.log().contains("API keys not reloaded")
    });
    assert!(opens(LINE) && opens(CATALOGUE));
    std::fs::write(keys.path(), &both[line.len()..]).unwrap();
    wait_for("the old key's end", || !opens(LINE));
    assert!(opens(CATALOGUE));
}

#[test]
fn a_key_has_its_lane_and_its_number_of_requests() {
    let keys = file(&format!(
        "[[key]]\nname = \"catalogue\"\nkey = \"{CATALOGUE}\"\nlane = \"bulk\"\nmax_requests = 1\n"
    ));
    let server = start(&keys);
    let queue =
        |lane: &str| server.metric(&format!("clip_in_queue_seconds_count{{lane=\"{lane}\"}}"));
    assert_eq!(ask(&server, Some(("x-api-key", CATALOGUE))).0, 200);
    assert_eq!((queue("bulk"), queue("interactive")), (1.0, 0.0));
    // Many at once, with long work: one gets through at a time, the others are refused at once.
    let together = Barrier::new(6);
    let statuses: Vec<u16> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..6)
            .map(|i| {
                let (server, together) = (&server, &together);
                scope.spawn(move || {
                    let texts: Vec<String> = (0..1000)
                        .map(|j| format!("{i} blue and {j} red bolts on a mat"))
                        .collect();
                    together.wait();
                    let url = format!("{}/v1/embeddings", server.url);
                    let request = server.client.post(url).header("x-api-key", CATALOGUE);
                    let response = request.json(&json!({"input": texts})).send().unwrap();
                    response.status().as_u16()
                })
            })
            .collect();
        threads
            .into_iter()
            .map(|thread| thread.join().unwrap())
            .collect()
    });
    assert!(
        statuses.contains(&200) && statuses.contains(&429),
        "{statuses:?}"
    );
    wait_for("the place", || {
        ask(&server, Some(("x-api-key", CATALOGUE))).0 == 200
    });
}

#[test]
fn keys_of_the_environment() {
    let mut command = program();
    command
        .args(["serve", "--listen", "127.0.0.1:0", "--model"])
        .arg(server::demo())
        .env(
            "CLIP_IN_API_KEYS",
            format!("line={LINE}, catalogue={CATALOGUE}"),
        );
    let server = Server::launch(&mut command);
    assert_eq!(ask(&server, Some(("x-api-key", LINE))).0, 200);
    assert_eq!(ask(&server, Some(("x-api-key", CATALOGUE))).0, 200);
    assert_eq!(ask(&server, None).0, 401);
}

#[test]
fn an_invalid_key_file_stops_the_start_without_showing_a_key() {
    for (text, expected) in [
        (
            "[[key]]\nname = \"a\"\nkey = \"short\"\n".to_owned(),
            "16 characters",
        ),
        (
            format!("[[key]]\nname = \"a\"\nkey = \"{LINE}\"\nlane = \"fast\"\n"),
            "lane",
        ),
        (
            format!("[[key]]\nname = \"a\"\nkey = \"{LINE}\"\nlimit = 3\n"),
            "line 4",
        ),
        (
            format!("[[key]]\nname = \"a\"\nkey = \"{LINE}\nlane = \"bulk\"\n"),
            "line 3",
        ),
        (
            format!(
                "[[key]]\nname = \"a\"\nkey = \"{LINE}\"\n[[key]]\nname = \"a\"\nkey = \"{CATALOGUE}\"\n"
            ),
            "twice",
        ),
    ] {
        let keys = file(&text);
        let output = program()
            .args(["serve", "--listen", "127.0.0.1:0", "--model"])
            .arg(server::demo())
            .arg("--api-keys-file")
            .arg(keys.path())
            .output()
            .unwrap();
        let message = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(!output.status.success(), "{text}");
        assert!(message.contains(expected), "{text}: {message}");
        assert!(
            !message.contains(LINE) && !message.contains("short"),
            "{message}"
        );
    }
}

fn wait_for(what: &str, done: impl Fn() -> bool) {
    let until = Instant::now() + Duration::from_secs(20);
    while !done() {
        assert!(Instant::now() < until, "{what} did not come");
        std::thread::sleep(Duration::from_millis(50));
    }
}
