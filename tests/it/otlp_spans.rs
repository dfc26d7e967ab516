//! Requests as spans at an OpenTelemetry collector: their content, and that a failing collector has no effect on
//! answers.

use std::net::TcpListener;
use std::process::Command;
use std::time::Duration;

use crate::support::otlp_collector::{Collector, real, text, whole};
use crate::support::server::certificates::Authority;
use crate::support::server::models::{DEMO, wait_for};
use crate::support::server::{Server, base64, demo, fixture, program, success};
use opentelemetry_proto::tonic::trace::v1::{Span, span::SpanKind, status::StatusCode};
use reqwest::blocking::{RequestBuilder, Response};
use serde_json::{Value, json};
use tonic::transport::Channel;

const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
const PARENT: &str = "00f067aa0ba902b7";
const KEY: &str = "a-key-that-nobody-may-see";
const TEXT: &str = "a text that stays here";

/// A server that sends spans to an endpoint; the machine's environment is ignored.
fn command(endpoint: &str) -> Command {
    let mut command = program();
    for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("OTEL_")) {
        command.env_remove(name);
    }
    command
        .args(["serve", "--listen", "127.0.0.1:0", "--model"])
        .arg(demo())
        .args(["--log", "clip_in=debug,warn", "--log-format", "json"])
        .args(["--otlp-endpoint", endpoint]);
    command
}

fn plain(collector: &Collector) -> String {
    format!("http://{}", collector.address)
}

fn post(server: &Server, path: &str, id: &str, body: &Value) -> RequestBuilder {
    let request = server.client.post(format!("{}{path}", server.url));
    request.json(body).header("x-request-id", id)
}

fn status(request: RequestBuilder) -> u16 {
    request.send().unwrap().status().as_u16()
}

fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The trace of a request by the log.
fn logged_trace(server: &Server, id: &str) -> String {
    let line = server.log_with(id);
    let lines = line
        .lines()
        .filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let mut its = lines.filter(|line| line["span"]["request_id"] == id);
    its.next().unwrap()["span"]["trace_id"]
        .as_str()
        .unwrap()
        .to_owned()
}

fn stages(span: &Span) -> Vec<&str> {
    let keys = span
        .attributes
        .iter()
        .map(|attribute| attribute.key.as_str());
    let names = keys.filter_map(|key| key.strip_prefix("clip_in.stage."));
    names.collect()
}

#[derive(Clone, PartialEq, prost::Message)]
struct Item {
    #[prost(string, tag = "1")]
    text: String,
}

/// Both an `EmbedRequest` and an `EmbedStreamRequest` with one item.
#[derive(Clone, PartialEq, prost::Message)]
struct Embed {
    #[prost(string, tag = "1")]
    model: String,
    #[prost(message, repeated, tag = "2")]
    items: Vec<Item>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct Answer {}

fn embed(text: &str, model: &str) -> Embed {
    Embed {
        model: model.to_owned(),
        items: vec![Item {
            text: text.to_owned(),
        }],
    }
}

fn grpc<T>(id: &str, trace: Option<&str>, message: T) -> tonic::Request<T> {
    let mut request = tonic::Request::new(message);
    let metadata = request.metadata_mut();
    metadata.insert("x-api-key", KEY.parse().unwrap());
    metadata.insert("x-request-id", id.parse().unwrap());
    if let Some(trace) = trace {
        metadata.insert("traceparent", trace.parse().unwrap());
    }
    request
}

async fn ask_over_grpc(url: String) {
    let channel = Channel::from_shared(url).unwrap().connect().await.unwrap();
    let mut client = tonic::client::Grpc::new(channel);
    let codec = || tonic_prost::ProstCodec::<Embed, Answer>::default();
    let path = || "/clip_in.v1.ClipIn/Embed".parse().unwrap();
    client.ready().await.unwrap();
    let trace = format!("00-{TRACE}-{PARENT}-01");
    let request = grpc("unary", Some(&trace), embed(TEXT, ""));
    client.unary(request, path(), codec()).await.unwrap();
    client.ready().await.unwrap();
    let request = grpc("no-model", None, embed(TEXT, "none"));
    client.unary(request, path(), codec()).await.unwrap_err();
    client.ready().await.unwrap();
    let items = futures_util::stream::iter((0..3).map(|i| embed(&format!("{TEXT} {i}"), "")));
    let path = "/clip_in.v1.ClipIn/EmbedStream".parse().unwrap();
    let answers = client
        .streaming(grpc("stream", Some(&trace), items), path, codec())
        .await;
    let mut answers = answers.unwrap().into_inner();
    let mut count = 0;
    while answers.message().await.unwrap().is_some() {
        count += 1;
    }
    assert_eq!(count, 3);
}

#[test]
fn requests_arrive_as_spans_below_their_callers_and_without_secrets() {
    let collector = Collector::start();
    let mut command = command(&plain(&collector));
    command
        .env("CLIP_IN_API_KEYS", format!("line={KEY}"))
        // The stop has flushed everything that arrives.
        .env("OTEL_BSP_SCHEDULE_DELAY", "600000")
        .env(
            "OTEL_RESOURCE_ATTRIBUTES",
            "deployment.environment.name=hall-3",
        );
    let mut server = Server::launch(&mut command);
    let picture = base64(&fixture("rgb.png"));
    let body = json!({"images": [picture], "texts": [TEXT]});
    let sampled = format!("00-{TRACE}-{PARENT}-01");
    let ask = |id: &str, trace: &str| {
        let request = post(&server, "/v1/similarity", id, &body).bearer_auth(KEY);
        status(request.header("traceparent", trace))
    };
    assert_eq!(ask("continued", &sampled), 200);
    // A caller that records nothing gets no child span.
    assert_eq!(ask("not-sampled", &format!("00-{TRACE}-{PARENT}-00")), 200);
    let bulk = post(&server, "/v1/embeddings", "begun", &json!({"input": TEXT}));
    assert_eq!(
        status(bulk.bearer_auth(KEY).header("x-clip-in-lane", "bulk")),
        200
    );
    assert_eq!(
        status(post(
            &server,
            "/v1/embeddings",
            "no-key",
            &json!({"input": TEXT})
        )),
        401
    );
    let list = server
        .client
        .get(format!("{}/v1/models/{TEXT}", server.url));
    assert_eq!(
        status(list.bearer_auth(KEY).header("x-request-id", "none")),
        404
    );
    for path in [
        "/healthz",
        "/metrics",
        "/",
        "/wp-login.php",
        "/v1/wp-login.php",
        "/v2/health/ready",
    ] {
        server.get(path);
    }
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(ask_over_grpc(server.url.clone()));
    let begun = logged_trace(&server, "begun");
    assert_eq!(collector.exports(), 0);
    server.terminate();
    assert!(server.wait(Duration::from_secs(60)).unwrap().success());

    let mut names: Vec<_> = collector
        .spans()
        .into_iter()
        .map(|span| span.name)
        .collect();
    names.sort_unstable();
    let expected = [
        "GET /v1/models/{name}",
        "POST /v1/embeddings",
        "POST /v1/embeddings",
        "POST /v1/similarity",
        "clip_in.v1.ClipIn/Embed",
        "clip_in.v1.ClipIn/Embed",
        "clip_in.v1.ClipIn/EmbedStream",
    ];
    assert_eq!(names, expected);

    let span = collector.span("continued");
    assert_eq!(
        (
            hexadecimal(&span.trace_id),
            hexadecimal(&span.parent_span_id)
        ),
        (TRACE.into(), PARENT.into())
    );
    assert!(span.span_id.len() == 8 && hexadecimal(&span.span_id) != PARENT);
    assert_eq!(span.kind(), SpanKind::Server);
    let of = |key: &str| text(&span.attributes, key).to_owned();
    assert_eq!(of("http.request.method"), "POST");
    assert_eq!(of("http.route"), "/v1/similarity");
    assert_eq!(
        whole(&span.attributes, "http.response.status_code"),
        Some(200)
    );
    assert_eq!(
        (of("clip_in.model"), of("clip_in.lane")),
        (DEMO.into(), "interactive".into())
    );
    assert_eq!(of("error.type"), "");
    let all =
        ["read", "prepare", "queue", "inference", "post"].map(|name| format!("{name}_seconds"));
    assert_eq!(stages(&span), all);
    let length = (span.end_time_unix_nano - span.start_time_unix_nano) as f64 * 1e-9;
    let inference = real(&span.attributes, "clip_in.stage.inference_seconds").unwrap();
    assert!(
        0.0 < inference && inference <= length,
        "{inference} of {length}"
    );

    let span = collector.span("begun");
    assert_eq!(hexadecimal(&span.trace_id), begun);
    assert!(span.parent_span_id.is_empty() && begun != TRACE);
    assert_eq!(text(&span.attributes, "clip_in.lane"), "bulk");

    // Client errors are recorded, but not as errors of the server.
    for (id, code, answer) in [
        ("no-key", "unauthorized", 401),
        ("none", "model_not_found", 404),
    ] {
        let span = collector.span(id);
        assert_eq!(text(&span.attributes, "error.type"), code);
        assert_eq!(
            whole(&span.attributes, "http.response.status_code"),
            Some(answer)
        );
        assert_eq!(span.status.unwrap_or_default().code(), StatusCode::Unset);
    }

    for (id, method) in [("unary", "Embed"), ("stream", "EmbedStream")] {
        let span = collector.span(id);
        assert_eq!(
            (
                hexadecimal(&span.trace_id),
                hexadecimal(&span.parent_span_id)
            ),
            (TRACE.into(), PARENT.into())
        );
        let of = |key: &str| text(&span.attributes, key).to_owned();
        assert_eq!(
            (of("rpc.system"), of("rpc.service"), of("rpc.method")),
            ("grpc".into(), "clip_in.v1.ClipIn".into(), method.into())
        );
        assert_eq!(
            whole(&span.attributes, "rpc.grpc.status_code"),
            Some(0),
            "{id}"
        );
        assert_eq!(of("clip_in.model"), DEMO, "{id}");
    }
    assert_eq!(
        text(&collector.span("stream").attributes, "clip_in.lane"),
        "bulk"
    );
    let span = collector.span("no-model");
    assert_eq!(whole(&span.attributes, "rpc.grpc.status_code"), Some(5));
    assert_eq!(text(&span.attributes, "error.type"), "model_not_found");

    let resource = collector.resource();
    assert_eq!(text(&resource, "service.name"), "clip-in");
    assert_eq!(
        text(&resource, "service.version"),
        env!("CARGO_PKG_VERSION")
    );
    assert_eq!(text(&resource, "deployment.environment.name"), "hall-3");

    let sent = collector.bytes();
    let has = |text: &str| {
        sent.windows(text.len())
            .any(|window| window == text.as_bytes())
    };
    assert!(has("/v1/similarity"), "the search finds nothing");
    for secret in [
        KEY,
        TEXT,
        "stays here",
        "stays%20here",
        &picture[..24],
        "line",
    ] {
        assert!(!has(secret), "{secret:?} was sent");
    }
    let raw = fixture("rgb.png");
    assert!(!sent.windows(24).any(|window| window == &raw[8..32]));
}

#[test]
fn a_failing_collector_is_logged_once_and_once_when_it_recovers() {
    let collector = Collector::start();
    collector.refuse(true);
    let mut command = command(&plain(&collector));
    command
        .env("OTEL_BSP_SCHEDULE_DELAY", "20")
        .env("OTEL_SERVICE_NAME", "line-3");
    let server = Server::launch(&mut command);
    let ask = || success(server.post("/v1/embeddings", &json!({"input": "a red bolt"})));
    for exports in 1..4 {
        ask();
        wait_for("an export", || collector.exports() >= exports);
    }
    server.log_with("the collector does not accept spans");
    collector.refuse(false);
    let exports = collector.exports();
    ask();
    wait_for("an export", || collector.exports() > exports);
    let log = server.log_with("the collector accepts spans again");
    assert_eq!(
        log.matches("the collector does not accept spans").count(),
        1,
        "{log}"
    );
    // No other line about it, for example from libraries.
    let warnings = log
        .lines()
        .filter(|line| line.contains("\"WARN\"") || line.contains("\"ERROR\""));
    let warnings: Vec<_> = warnings
        .filter(|line| !line.contains("does not accept spans"))
        .collect();
    assert!(warnings.is_empty(), "{warnings:?}");
    assert_eq!(text(&collector.resource(), "service.name"), "line-3");
}

#[test]
fn a_silent_or_missing_collector_changes_nothing() {
    // One endpoint accepts connections and reads nothing; the other port is closed.
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let nobody = {
        let gone = TcpListener::bind("127.0.0.1:0").unwrap();
        gone.local_addr().unwrap()
    };
    for address in [silent.local_addr().unwrap(), nobody] {
        let mut command = command(&format!("http://{address}"));
        command
            .env("OTEL_BSP_SCHEDULE_DELAY", "10")
            .env("OTEL_BSP_MAX_QUEUE_SIZE", "8")
            .env("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", "4");
        let mut server = Server::launch(&mut command);
        // Many times the capacity of the queue.
        for i in 0..200 {
            let body = json!({"input": format!("{i} red bolts")});
            let answer: Response = server.post("/v1/embeddings", &body);
            assert_eq!(answer.status(), 200);
        }
        server.terminate();
        // A stop waits for spans, but only for a limited time.
        assert!(
            server.wait(Duration::from_secs(30)).unwrap().success(),
            "{address}"
        );
        let said = server
            .log()
            .matches("the collector does not accept spans")
            .count();
        assert!(said <= 1, "{}", server.log());
    }
}

#[test]
fn a_collector_behind_tls_gets_the_headers_of_the_environment() {
    let (authority, folder) = (Authority::new(), tempfile::tempdir().unwrap());
    let [certificate, key] = authority
        .pair()
        .write(folder.path())
        .map(|path| std::fs::read(path).unwrap());
    let _ = rustls::crypto::ring::default_provider().install_default();
    let collector = Collector::with_tls(&certificate, &key);
    let root = folder.path().join("root.pem");
    std::fs::write(&root, authority.pem()).unwrap();
    let mut command = command(&format!("https://localhost:{}", collector.address.port()));
    command
        .env("SSL_CERT_FILE", &root)
        .env_remove("SSL_CERT_DIR")
        .env(
            "OTEL_EXPORTER_OTLP_HEADERS",
            "authorization=Bearer%20of-the-collector",
        )
        .env("OTEL_BSP_SCHEDULE_DELAY", "20");
    let server = Server::launch(&mut command);
    success(server.get("/v1/models"));
    wait_for("an export", || collector.exports() > 0);
    assert_eq!(
        collector.headers()["authorization"],
        "Bearer of-the-collector"
    );
    assert_eq!(collector.spans()[0].name, "GET /v1/models");
}

#[test]
fn without_an_endpoint_there_is_no_thread_for_spans() {
    let collector = Collector::start();
    let with = Server::launch(&mut command(&plain(&collector)));
    assert_eq!(with.threads("OpenTelemetry"), 1);
    assert_eq!(Server::start().threads("OpenTelemetry"), 0);
}

#[test]
fn an_invalid_endpoint_is_an_invalid_setting() {
    for endpoint in [
        "collector:4317",
        "http://user:hush@collector:4317",
        "http://collector:4318/v1/traces",
        "",
    ] {
        let output = command(endpoint).output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{said}");
        assert!(
            said.contains("--otlp-endpoint") && !said.contains("hush"),
            "{said}"
        );
    }
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(
        file.path(),
        "[tracing]\notlp_endpoint = \"grpc://collector\"\n",
    )
    .unwrap();
    let output = program()
        .args(["config", "check"])
        .arg(file.path())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("line 2: [tracing] otlp_endpoint: "), "{said}");
}
