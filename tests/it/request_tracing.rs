//! The id and the trace of a request, their places in logs and answers, and the times of its stages.

use crate::support::server;
use std::collections::HashMap;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Instant;

use crate::support::server::models::wait_for;
use crate::support::server::{Server, base64, demo, fixture};
use reqwest::blocking::{RequestBuilder, Response};
use serde_json::{Value, json};

const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
const PARENT: &str = "00f067aa0ba902b7";

fn header<'a>(response: &'a Response, name: &str) -> Option<&'a str> {
    response.headers().get(name).map(|v| v.to_str().unwrap())
}

fn id(response: &Response) -> &str {
    header(response, "x-request-id").unwrap_or_else(|| panic!("no id: {response:?}"))
}

/// `8-4-4-4-12` hexadecimal digits.
fn is_uuid(id: &str) -> bool {
    let lengths: Vec<_> = id.split('-').map(str::len).collect();
    lengths == [8, 4, 4, 4, 12] && id.bytes().all(|b| b == b'-' || b.is_ascii_hexdigit())
}

fn get(server: &Server, path: &str) -> RequestBuilder {
    server.client.get(format!("{}{path}", server.url))
}

fn post(server: &Server, path: &str, body: &Value) -> RequestBuilder {
    let request = server.client.post(format!("{}{path}", server.url));
    request.json(body)
}

/// The log lines of one request.
fn lines_of(server: &Server, id: &str) -> Vec<Value> {
    let log = server.log();
    // A library may write lines without a request.
    let lines = log.lines().map(serde_json::from_str::<Value>);
    lines
        .filter_map(Result::ok)
        .filter(|line| line["span"]["request_id"] == id)
        .collect()
}

fn json_log(arguments: &[&str]) -> Server {
    let log = ["--log", "clip_in=debug,warn", "--log-format", "json"];
    Server::start_with(&[&log, arguments].concat())
}

#[test]
fn a_request_id_is_returned_created_or_replaced() {
    let server = Server::start();
    for path in ["/", "/healthz", "/metrics", "/v1/models", "/v2", "/nothing"] {
        let named = get(&server, path).header("x-request-id", "line-3/part_0042");
        assert_eq!(id(&named.send().unwrap()), "line-3/part_0042", "{path}");
        let [one, other] = [0, 1].map(|_| id(&server.get(path)).to_owned());
        assert!(
            is_uuid(&one) && is_uuid(&other) && one != other,
            "{one} {other}"
        );
    }
    let too_long = "x".repeat(129);
    for bad in ["two words", "", &too_long] {
        let answer = get(&server, "/healthz").header("x-request-id", bad).send();
        assert!(is_uuid(id(&answer.unwrap())), "{bad:?}");
    }
    let longest = &too_long[1..];
    let answer = get(&server, "/healthz")
        .header("x-request-id", longest)
        .send();
    assert_eq!(id(&answer.unwrap()), longest);
}

#[test]
fn errors_contain_the_request_id() {
    let key = "a-key-of-many-characters";
    let mut command = server::program();
    command
        .args(["serve", "--listen", "127.0.0.1:0", "--max-requests", "1"])
        .args(["--request-seconds", "4", "--max-body-mib", "1", "--model"])
        .arg(demo())
        .env("CLIP_IN_API_KEYS", format!("line={key}"));
    let server = Server::launch(&mut command);
    let input = json!({"input": "a red bolt"});
    let check = |status: u16, request: RequestBuilder| {
        let answer = request.header("x-request-id", "mine").send().unwrap();
        assert_eq!((answer.status().as_u16(), id(&answer)), (status, "mine"));
    };
    check(401, post(&server, "/v1/embeddings", &input));
    let with_key = |request: RequestBuilder| request.bearer_auth(key);
    check(404, with_key(get(&server, "/nothing")));
    check(404, with_key(get(&server, "/v2/models/none")));
    check(405, with_key(get(&server, "/v1/embeddings")));
    check(
        400,
        with_key(post(&server, "/v1/embeddings", &json!({"input": []}))),
    );
    let large = json!({"input": "x".repeat(2 << 20)});
    check(413, with_key(post(&server, "/v1/embeddings", &large)));

    // The only slot is held by a request whose body does not arrive, until its time limit.
    let mut slow = TcpStream::connect(server.url.trim_start_matches("http://")).unwrap();
    let head = format!(
        "POST /v1/embeddings HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer {key}\r\ncontent-type: application/json\r\n\
         content-length: 10\r\nx-request-id: slow\r\nconnection: close\r\n\r\n"
    );
    slow.write_all(head.as_bytes()).unwrap();
    wait_for("a request under way", || {
        server.metric("clip_in_requests_in_flight") >= 2.0
    });
    check(429, with_key(post(&server, "/v1/embeddings", &input)));
    let mut answer = String::new();
    slow.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 408 "), "{answer}");
    assert!(answer.contains("\r\nx-request-id: slow\r\n"), "{answer}");
}

#[test]
fn log_lines_contain_their_request() {
    let state = tempfile::tempdir().unwrap();
    let server = json_log(&["--state", state.path().to_str().unwrap()]);
    let body = json!({"images": [base64(&fixture("rgb.png"))], "texts": ["a red bolt"]});
    let answer = post(&server, "/v1/similarity", &body)
        .header("x-request-id", "of-the-line")
        .header("traceparent", format!("00-{TRACE}-{PARENT}-01"))
        .send()
        .unwrap();
    assert!(answer.status().is_success());
    // The recommendation defines no such header for responses.
    assert_eq!(header(&answer, "traceparent"), None);
    wait_for("a log line", || {
        !lines_of(&server, "of-the-line").is_empty()
    });
    let lines = lines_of(&server, "of-the-line");
    let last = lines.last().unwrap();
    assert_eq!(
        (&last["route"], &last["status"]),
        (&json!("/v1/similarity"), &json!(200))
    );
    for line in &lines {
        assert_eq!(line["span"]["trace_id"], TRACE, "{line}");
        assert_eq!(line["span"]["parent_id"], PARENT, "{line}");
    }

    // Not only the last line: errors during the request contain its id too.
    std::fs::write(state.path().join("labelsets"), "no folder").unwrap();
    let url = format!("{}/v1/labelsets/parts", server.url);
    let put = server.client.put(url).json(&json!({"labels": ["a", "b"]}));
    let answer = put.header("x-request-id", "to-a-full-disk").send().unwrap();
    assert_eq!(answer.status(), 500);
    wait_for("two log lines", || {
        lines_of(&server, "to-a-full-disk").len() >= 2
    });
    let levels: Vec<_> = lines_of(&server, "to-a-full-disk")
        .iter()
        .map(|line| line["level"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(levels, ["ERROR", "DEBUG"]);
}

#[test]
fn an_invalid_traceparent_begins_a_new_trace() {
    let server = json_log(&[]);
    let bad = [
        String::new(),
        format!("00-{TRACE}-{PARENT}-01-more"),
        format!("ff-{TRACE}-{PARENT}-01"),
        format!("00-{}-{PARENT}-01", TRACE.to_uppercase()),
        format!("00-{}-{PARENT}-01", "0".repeat(32)),
    ];
    let mut seen = vec![TRACE.to_owned()];
    for (i, bad) in bad.iter().enumerate() {
        let id = format!("bad-{i}");
        let request = get(&server, "/v1/models").header("traceparent", bad);
        let answer = request.header("x-request-id", &id).send().unwrap();
        assert_eq!(answer.status(), 200);
        wait_for("its log line", || !lines_of(&server, &id).is_empty());
        let span = lines_of(&server, &id)[0]["span"].clone();
        let trace = span["trace_id"].as_str().unwrap().to_owned();
        assert!(trace.len() == 32 && trace.bytes().all(|b| b.is_ascii_hexdigit()));
        assert!(!seen.contains(&trace), "{bad}: {span}");
        assert!(span.get("parent_id").is_none(), "{bad}: {span}");
        seen.push(trace);
    }
    // A later version is read like version 00.
    let request =
        get(&server, "/v1/models").header("traceparent", format!("01-{TRACE}-{PARENT}-01-x"));
    request.header("x-request-id", "later").send().unwrap();
    wait_for("its log line", || !lines_of(&server, "later").is_empty());
    assert_eq!(lines_of(&server, "later")[0]["span"]["trace_id"], TRACE);
}

#[test]
fn text_log_lines_contain_the_id_and_an_id_cannot_forge_a_line() {
    let server = Server::start_with(&["--log", "clip_in=debug"]);
    let id = "x\"}:request{request_id=\"y";
    let answer = get(&server, "/v1/models").header("x-request-id", id).send();
    assert_eq!(self::id(&answer.unwrap()), id);
    wait_for("a log line", || server.log().contains("/v1/models"));
    let log = server.log();
    let line = log
        .lines()
        .find(|line| line.contains("/v1/models"))
        .unwrap();
    assert!(line.contains(&format!("request_id={id:?}")), "{line}");
    assert!(line.contains("trace_id="), "{line}");
}

/// `server-timing` in milliseconds.
fn timing(response: &Response) -> HashMap<String, f64> {
    let value = header(response, "server-timing").unwrap_or_else(|| panic!("{response:?}"));
    let stage = |stage: &str| {
        let (name, time) = stage.split_once(";dur=").unwrap();
        (name.to_owned(), time.parse().unwrap())
    };
    value.split(", ").map(stage).collect()
}

fn names(times: &HashMap<String, f64>) -> Vec<&str> {
    let mut names: Vec<_> = times.keys().map(String::as_str).collect();
    names.sort_unstable();
    names
}

#[test]
fn answers_contain_the_times_of_their_stages() {
    let server = Server::start();
    let bytes = fixture("420-large.jpg");
    let all = ["inference", "prepare", "queue", "read", "total"];
    let sum = |name: &str| server.metric(&format!("clip_in_{name}_seconds_sum")) * 1e3;
    let metrics = || {
        [
            sum("decode"),
            server.metric("clip_in_queue_seconds_sum{lane=\"interactive\"}") * 1e3,
            server.metric("clip_in_inference_seconds_sum{modality=\"image\"}") * 1e3,
        ]
    };
    let before = metrics();
    let started = Instant::now();
    let answer = server.post_bytes("/v1/embeddings", "image/jpeg", bytes.clone());
    let wall = started.elapsed().as_secs_f64() * 1e3;
    let times = timing(&answer);
    let after = metrics();
    assert_eq!(names(&times), all);
    // One item passes its stages in sequence. Rounding is half a microsecond each.
    let stages = times["read"] + times["prepare"] + times["queue"] + times["inference"];
    assert!(stages <= times["total"] + 0.01, "{times:?}");
    assert!(times["total"] <= wall + 0.01, "{times:?} in {wall}");
    // The metrics of this item lie within its stages.
    let [decode, queue, inference] = [0, 1, 2].map(|i| after[i] - before[i]);
    assert!(
        decode > 0.0 && times["prepare"] >= decode - 0.01,
        "{times:?}, {decode}"
    );
    assert!((times["queue"] - queue).abs() < 0.01, "{times:?}, {queue}");
    assert!(
        inference > 0.0 && times["inference"] >= inference - 0.01,
        "{times:?}, {inference}"
    );

    // Of several items the longest: each stage still ends before the answer.
    let texts: Vec<_> = (0..200).map(|i| format!("{i} red bolts")).collect();
    let body = json!({"images": [base64(&bytes), base64(&fixture("rgb.png"))], "texts": texts});
    let times = timing(&server.post("/v1/similarity", &body));
    assert_eq!(names(&times), all);
    assert!(
        times.values().all(|time| *time <= times["total"]),
        "{times:?}"
    );

    // Cache hits skip these stages.
    let body = json!({"input": "1 red bolts"});
    let times = timing(&server.post("/v1/embeddings", &body));
    assert_eq!(names(&times), ["read", "total"]);

    let infer = json!({"inputs": [{"name": "text", "shape": [1], "datatype": "BYTES", "data": ["a blue mug"]}]});
    let answer = server.post("/v2/models/clip-in-demo/infer", &infer);
    assert_eq!(names(&timing(&answer)), all);
    let answer = server.post(
        "/v1/embeddings",
        &json!({"input": [{"image": "no base64"}]}),
    );
    assert_eq!(answer.status(), 400);
    assert!(timing(&answer).contains_key("total"));
    for path in ["/", "/healthz", "/metrics"] {
        assert_eq!(header(&server.get(path), "server-timing"), None, "{path}");
    }
}

#[test]
fn a_full_queue_shows_in_the_stages() {
    let arguments = [
        "--workers",
        "1",
        "--text-cache-mib",
        "0",
        "--max-batch-texts",
        "1",
    ];
    let server = Server::start_with(&arguments);
    let texts: Vec<_> = (0..300)
        .map(|i| format!("{i}: {}", "a long text ".repeat(10)))
        .collect();
    let times = timing(&server.post("/v1/embeddings", &json!({"input": texts})));
    // The last of 300 waited for all the others, one at a time.
    assert!(times["queue"] > times["inference"], "{times:?}");
    assert!(times["queue"] <= times["total"], "{times:?}");
}
