//! A log that is not read must not block the server: its lines are lost and counted.

use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::support::server::{client, demo, program};
use serde_json::json;

/// With one line each, more than a pipe (64 KiB) and the server's buffer (2,000 lines) hold together.
const REQUESTS: usize = 4000;

#[test]
fn an_unread_log_loses_lines_and_no_answers() {
    let mut process = program()
        .args([
            "serve",
            "--listen",
            "127.0.0.1:0",
            "--log",
            "debug",
            "--model",
        ])
        .arg(demo())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut log = BufReader::new(process.stderr.take().unwrap());
    let mut line = String::new();
    let url = loop {
        line.clear();
        log.read_line(&mut line).unwrap();
        if let Some((_, address)) = line.split_once("ready on ") {
            break address.split_whitespace().next().unwrap().to_owned();
        }
    };
    // From here on the pipe is not read.
    let client = client().timeout(Duration::from_secs(20)).build().unwrap();
    let lost = || {
        let text = client.get(format!("{url}/metrics")).send().unwrap();
        let text = text.text().unwrap();
        let line = text
            .lines()
            .find(|line| line.starts_with("clip_in_lost_log_lines_total "));
        line.unwrap()
            .rsplit(' ')
            .next()
            .unwrap()
            .parse::<f64>()
            .unwrap()
    };
    assert_eq!(lost(), 0.0);
    let body = json!({"input": "a red bolt"});
    for _ in 0..REQUESTS {
        let answer = client
            .post(format!("{url}/v1/embeddings"))
            .json(&body)
            .send();
        assert_eq!(answer.unwrap().status(), 200);
    }
    assert!(lost() > 0.0);
    // It also stops, although its last lines cannot be written.
    let id = process.id().to_string();
    let sent = Command::new("kill").args(["-TERM", &id]).status();
    assert!(sent.unwrap().success());
    let begun = Instant::now();
    let status = loop {
        if let Some(status) = process.try_wait().unwrap() {
            break status;
        }
        assert!(begun.elapsed() < Duration::from_secs(30), "it does not end");
        std::thread::sleep(Duration::from_millis(50));
    };
    assert!(status.success(), "{status}");
}
