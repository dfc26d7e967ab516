//! The real server as a separate process on a free port.

#![allow(dead_code)] // Each test file uses a part.

pub mod certificates;
pub mod models;

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use base64::Engine as _;
use reqwest::blocking::{Client, ClientBuilder, Response};
use serde_json::{Value, json};

pub struct Server {
    process: Child,
    _state: tempfile::TempDir,
    log: Arc<Mutex<String>>,
    pub url: String,
    pub client: Client,
}

pub fn demo() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("models/demo")
}

pub fn fixture(name: &str) -> Vec<u8> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/fixtures/images")
        .join(name);
    std::fs::read(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

pub fn base64(bytes: &[u8]) -> String {
    base64::engine::general_purpose::STANDARD.encode(bytes)
}

pub fn program() -> Command {
    Command::new(env!("CARGO_BIN_EXE_clip-in"))
}

/// A client builder with the settings of the tests.
pub fn client() -> ClientBuilder {
    // The client's TLS has no cryptography provider of its own; it uses the server's.
    let _ = rustls::crypto::ring::default_provider().install_default();
    Client::builder().timeout(Duration::from_secs(180))
}

impl Server {
    pub fn start() -> Self {
        Self::start_with(&[])
    }

    /// Starts the server with more arguments and waits until it is ready.
    pub fn start_with(arguments: &[&str]) -> Self {
        let mut command = program();
        command
            .args(["serve", "--listen", "127.0.0.1:0", "--model"])
            .arg(demo());
        Self::launch(command.args(arguments))
    }

    /// Starts a complete command line and waits until it is ready.
    pub fn launch(command: &mut Command) -> Self {
        // Each server has its own state folder; a `--state` on the command line has priority.
        let state = tempfile::tempdir().unwrap();
        command.env("CLIP_IN_STATE", state.path());
        // On a busy machine a debug build may take longer than the default. A `--request-seconds` has priority too.
        command.env("CLIP_IN_REQUEST_SECONDS", "600");
        // To measure whether sessions of all cores pay takes half of the time of a start.
        command.env("CLIP_IN_WIDE_THREADS", "1");
        let mut process = command.stderr(Stdio::piped()).spawn().unwrap();
        let mut lines = BufReader::new(process.stderr.take().unwrap()).lines();
        let mut seen = String::new();
        let url = loop {
            let Some(line) = lines.next() else {
                panic!("the server ended: {seen}")
            };
            let line = line.unwrap();
            if let Some((_, address)) = line.split_once("ready on ") {
                let end = |c: char| c.is_whitespace() || c == '"';
                break address.split(end).next().unwrap().to_owned();
            }
            seen += &format!("{line}\n");
        };
        // The pipe must be read, or the server blocks when it is full.
        let log = Arc::new(Mutex::new(seen));
        let kept = log.clone();
        std::thread::spawn(move || {
            for line in lines.map_while(Result::ok) {
                eprintln!("{line}");
                *kept.lock().unwrap() += &format!("{line}\n");
            }
        });
        let client = client().build().unwrap();
        Self {
            process,
            _state: state,
            log,
            url,
            client,
        }
    }

    pub fn get(&self, path: &str) -> Response {
        self.client
            .get(format!("{}{path}", self.url))
            .send()
            .unwrap()
    }

    pub fn post(&self, path: &str, json: &Value) -> Response {
        self.client
            .post(format!("{}{path}", self.url))
            .json(json)
            .send()
            .unwrap()
    }

    /// Posts bytes under a content type.
    pub fn post_bytes(&self, path: &str, content_type: &str, body: Vec<u8>) -> Response {
        let request = self.client.post(format!("{}{path}", self.url));
        request
            .header("content-type", content_type)
            .body(body)
            .send()
            .unwrap()
    }

    /// The value of a metric, by the start of its line.
    pub fn metric(&self, name: &str) -> f64 {
        let text = self.get("/metrics").text().unwrap();
        let line = text
            .lines()
            .find(|line| line.starts_with(name))
            .unwrap_or_else(|| panic!("no {name} in {text}"));
        line.rsplit(' ').next().unwrap().parse().unwrap()
    }

    /// The log so far, without the line about readiness.
    pub fn log(&self) -> String {
        self.log.lock().unwrap().clone()
    }

    /// The log as soon as it contains this text; the reader may be behind.
    pub fn log_with(&self, text: &str) -> String {
        let end = Instant::now() + Duration::from_secs(30);
        loop {
            let log = self.log();
            if log.contains(text) {
                return log;
            }
            assert!(Instant::now() < end, "no {text:?} in the log:\n{log}");
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Number of threads whose name begins with this.
    pub fn threads(&self, name: &str) -> usize {
        threads(&self.process.id().to_string(), name)
    }

    /// Resident memory of the process, in bytes.
    pub fn resident_bytes(&self) -> u64 {
        self.status_bytes("VmRSS:")
    }

    /// Peak of the resident memory, in bytes.
    pub fn peak_bytes(&self) -> u64 {
        self.status_bytes("VmHWM:")
    }

    /// The current address space of the process, in bytes.
    pub fn address_bytes(&self) -> u64 {
        self.status_bytes("VmSize:")
    }

    fn status_bytes(&self, field: &str) -> u64 {
        let status =
            std::fs::read_to_string(format!("/proc/{}/status", self.process.id())).unwrap();
        let line = status.lines().find(|line| line.starts_with(field)).unwrap();
        line.split_whitespace()
            .nth(1)
            .unwrap()
            .parse::<u64>()
            .unwrap()
            * 1024
    }

    /// The process id.
    pub fn id(&self) -> u32 {
        self.process.id()
    }

    pub fn terminate(&self) {
        let id = self.process.id().to_string();
        assert!(
            Command::new("kill")
                .args(["-TERM", &id])
                .status()
                .unwrap()
                .success()
        );
    }

    /// SIGHUP: reload keys, certificate and label sets.
    pub fn hang_up(&self) {
        let id = self.process.id().to_string();
        let sent = Command::new("kill").args(["-HUP", &id]).status();
        assert!(sent.unwrap().success());
    }

    /// SIGKILL: no time for cleaning up.
    pub fn kill(&self) {
        let id = self.process.id().to_string();
        let sent = Command::new("kill").args(["-KILL", &id]).status();
        assert!(sent.unwrap().success());
    }

    /// Waits for the end of the process.
    pub fn wait(&mut self, most: Duration) -> Option<ExitStatus> {
        let until = Instant::now() + most;
        while Instant::now() < until {
            if let Some(status) = self.process.try_wait().unwrap() {
                return Some(status);
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        None
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Number of threads of a process (`self` or its id) whose name begins with this.
pub fn threads(process: &str, name: &str) -> usize {
    let tasks = std::fs::read_dir(format!("/proc/{process}/task")).unwrap();
    // A thread that ends meanwhile has no name.
    let name_of = |task: std::fs::DirEntry| std::fs::read_to_string(task.path().join("comm"));
    tasks
        .filter_map(|task| name_of(task.ok()?).ok())
        .filter(|found| found.starts_with(name))
        .count()
}

/// The JSON of an answer that must be a success.
pub fn success(response: Response) -> Value {
    let status = response.status();
    let text = response.text().unwrap();
    assert!(status.is_success(), "{status}: {text}");
    serde_json::from_str(&text).unwrap()
}

/// Status, code and param of an answer that must be an error of the contract.
pub fn failure(response: Response) -> (u16, String, Option<String>) {
    let status = response.status().as_u16();
    let text = response.text().unwrap();
    let body: Value =
        serde_json::from_str(&text).unwrap_or_else(|e| panic!("{status}, {e}: {text}"));
    let error = &body["error"];
    assert!(
        !error["message"].as_str().unwrap().is_empty() && error["type"].is_string(),
        "{text}"
    );
    (
        status,
        error["code"].as_str().unwrap().to_owned(),
        error["param"].as_str().map(str::to_owned),
    )
}

/// The embeddings of an answer of `/v1/embeddings`, in order.
pub fn embeddings(answer: &Value) -> Vec<Vec<f32>> {
    let data = answer["data"].as_array().unwrap();
    data.iter()
        .map(|entry| numbers(&entry["embedding"]))
        .collect()
}

pub fn numbers(list: &Value) -> Vec<f32> {
    list.as_array()
        .unwrap()
        .iter()
        .map(|x| x.as_f64().unwrap() as f32)
        .collect()
}

/// Largest difference of a coordinate.
pub fn distance(a: &[f32], b: &[f32]) -> f32 {
    assert_eq!(a.len(), b.len());
    a.iter()
        .zip(b)
        .map(|(x, y)| (x - y).abs())
        .fold(0.0, f32::max)
}

/// Checks that two JSON values are the same, but for numbers that differ by this much at most.
pub fn assert_alike(a: &Value, b: &Value, most: f64) {
    match (a, b) {
        (Value::Number(x), Value::Number(y)) => {
            let off = (x.as_f64().unwrap() - y.as_f64().unwrap()).abs();
            assert!(off <= most, "{a} and {b}");
        }
        (Value::Array(x), Value::Array(y)) => {
            assert_eq!(x.len(), y.len(), "{a}\n{b}");
            x.iter().zip(y).for_each(|(x, y)| assert_alike(x, y, most));
        }
        (Value::Object(x), Value::Object(y)) => {
            assert!(x.keys().eq(y.keys()), "{a}\n{b}");
            x.values()
                .zip(y.values())
                .for_each(|(x, y)| assert_alike(x, y, most));
        }
        _ => assert_eq!(a, b),
    }
}

/// Checks that a usual request is answered.
pub fn answers(server: &Server) {
    success(server.post("/v1/embeddings", &json!({"input": "a red bolt"})));
}
