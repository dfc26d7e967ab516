//! A single client without a key must not take the service away from others. Each test failed before requests were
//! admitted by their cost.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::thread::{scope, sleep};
use std::time::{Duration, Instant};

use crate::support::grpc_client::{RawClient, code_of};
use crate::support::server::{Server, base64, failure, fixture, success};
use bytes::Bytes;
use futures_util::future::join_all;
use futures_util::stream;
use reqwest::blocking::multipart::Form;
use serde_json::json;
use tokio::runtime::Runtime;
use tonic::Code;

const EMBED: &str = "/clip_in.v1.ClipIn/Embed";
const EMBED_STREAM: &str = "/clip_in.v1.ClipIn/EmbedStream";
const INFER: &str = "/inference.GRPCInferenceService/ModelInfer";
const METADATA: &str = "/inference.GRPCInferenceService/ModelMetadata";
const READY: &str = "/inference.GRPCInferenceService/ModelReady";
const CHECK: &str = "/grpc.health.v1.Health/Check";
const WATCH: &str = "/grpc.health.v1.Health/Watch";
const REFLECTION: &str = "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo";

const MIB: u64 = 1 << 20;

/// `EmbedRequest` of one short text.
const ONE_TEXT: &[u8] = b"\x12\x05\x0a\x03cat";
/// `EmbedStreamRequest` of one short text.
const STREAMED_TEXT: &[u8] = b"\x12\x05\x0a\x03cat";

fn runtime() -> Runtime {
    Runtime::new().unwrap()
}

fn answers(server: &Server) {
    success(server.post("/v1/embeddings", &json!({"input": "a red bolt"})));
}

#[test]
fn messages_are_counted_by_their_decoded_size() {
    let server = Server::start();
    let before = server.resident_bytes();
    runtime().block_on(async {
        let mut client = RawClient::connect(&server.url, true).await;
        // Two bytes each: an empty input, output, item, document.
        for (path, field) in [
            (INFER, 0x2a_u8),
            (INFER, 0x32),
            (EMBED, 0x12),
            ("/clip_in.v1.ClipIn/Rerank", 0x1a),
            ("/clip_in.v1.ClipIn/Similarity", 0x1a),
        ] {
            let many = Bytes::from([field, 0].repeat(8 << 20));
            let refused = client.unary(path, many).await.unwrap_err();
            assert_eq!(code_of(&refused), "body_too_large", "{path}: {refused}");
        }
    });
    let grown = server.peak_bytes() - before;
    assert!(grown < 300 * MIB, "{} MiB", grown / MIB);
    answers(&server);
}

#[test]
fn compressed_messages_are_counted_by_their_decompressed_size() {
    let server = Server::start_with(&["--max-body-mib", "16"]);
    let before = server.resident_bytes();
    runtime().block_on(async {
        // Field 15, which is unknown: 15 MB of zeros, 15 KB on the wire.
        let mut large = vec![0x7a, 0xc0, 0xc3, 0x93, 0x07];
        large.resize(large.len() + 15_000_000, 0);
        let large = Bytes::from(large);
        let calls = (0..24).map(|_| async {
            let mut client = RawClient::connect(&server.url, true).await;
            client.unary(EMBED, large.clone()).await.unwrap_err()
        });
        for refused in join_all(calls).await {
            // On busy cores a client is so slow to compress its message that it gives way to others.
            assert!(
                matches!(
                    code_of(&refused),
                    "no_input" | "overloaded" | "request_timeout"
                ),
                "{refused}"
            );
        }
        // Refused and answered requests have released what they held.
        let mut client = RawClient::connect(&server.url, true).await;
        for _ in 0..6 {
            let answer = client.unary(EMBED, large.clone()).await.unwrap_err();
            assert_eq!(code_of(&answer), "no_input", "{answer}");
        }
    });
    // A budget of 64 MiB, with the copies that decoding makes.
    let grown = server.peak_bytes() - before;
    assert!(grown < 350 * MIB, "{} MiB", grown / MIB);
}

#[test]
fn a_message_that_decompresses_to_more_than_a_body_is_refused() {
    let server = Server::start_with(&["--max-body-mib", "1"]);
    runtime().block_on(async {
        let mut client = RawClient::connect(&server.url, true).await;
        let large = Bytes::from(vec![0; 40 << 20]);
        let refused = client.unary(EMBED, large).await.unwrap_err();
        assert_eq!(code_of(&refused), "body_too_large", "{refused}");
        client.unary(EMBED, ONE_TEXT.into()).await.unwrap();
    });
}

#[test]
fn watches_and_reflection_take_no_request_slots() {
    let server = Server::start();
    runtime().block_on(async {
        let mut client = RawClient::connect(&server.url, false).await;
        let mut open = Vec::new();
        let mut refused = 0;
        for i in 0..400 {
            // A connection allows two hundred streams.
            if i % 100 == 0 {
                client = RawClient::connect(&server.url, false).await;
            }
            let messages = stream::once(std::future::ready(Bytes::from_static(b"\x0a\x00")));
            let path = if i % 4 == 0 { REFLECTION } else { WATCH };
            match client.streaming(path, messages).await {
                Ok(answers) => open.push(answers),
                Err(status) => {
                    assert_eq!(status.code(), Code::ResourceExhausted);
                    refused += 1;
                }
            }
        }
        assert!(open.len() >= 200 && refused > 0, "{} open", open.len());
        client.unary(EMBED, ONE_TEXT.into()).await.unwrap();
        // Uncounted routes accept only small messages.
        drop(open.split_off(100));
        let large = Bytes::from(vec![0; 1 << 20]);
        let refused = client.unary(CHECK, large).await.unwrap_err();
        assert_eq!(code_of(&refused), "body_too_large", "{refused}");
    });
    answers(&server);
}

#[test]
fn a_call_without_its_message_releases_its_slot() {
    let server = Server::start_with(&["--max-requests", "2", "--request-seconds", "1"]);
    runtime().block_on(async {
        let mut client = RawClient::connect(&server.url, false).await;
        let calls = (0..2).map(|_| async {
            let mut client = RawClient::connect(&server.url, false).await;
            let silent = client.streaming(EMBED, stream::pending()).await;
            match silent {
                Ok(mut answers) => answers.message().await.unwrap_err(),
                Err(status) => status,
            }
        });
        let started = Instant::now();
        for status in join_all(calls).await {
            assert_eq!(code_of(&status), "request_timeout", "{status}");
            assert_eq!(status.code(), Code::DeadlineExceeded);
        }
        // Without a limit they would be held forever.
        assert!(started.elapsed() < Duration::from_secs(30));
        client.unary(EMBED, ONE_TEXT.into()).await.unwrap();
    });
}

#[test]
fn a_stream_releases_all_that_its_messages_held() {
    let server = Server::start_with(&["--max-body-mib", "1"]);
    runtime().block_on(async {
        let mut client = RawClient::connect(&server.url, false).await;
        // Each message has 900 KB in an unknown field; the budget is 4 MiB.
        let mut message = STREAMED_TEXT.to_vec();
        message.extend_from_slice(&[0x7a, 0xa0, 0xf7, 0x36]);
        message.resize(message.len() + 900_000, 0);
        let messages = stream::iter(vec![Bytes::from(message); 40]);
        // One after another: the limit on concurrent items is a different test.
        let messages = futures_util::StreamExt::then(messages, |message| async move {
            tokio::time::sleep(Duration::from_millis(30)).await;
            message
        });
        let mut answers = client.streaming(EMBED_STREAM, messages).await.unwrap();
        let mut count = 0;
        while let Some(_answer) = answers.message().await.unwrap() {
            count += 1;
        }
        assert_eq!(count, 40);
    });
}

#[test]
fn grpc_requires_the_same_keys_as_rest() {
    let folder = tempfile::tempdir().unwrap();
    let keys = folder.path().join("keys.toml");
    std::fs::write(&keys, "[[key]]\nname = \"a\"\nkey = \"0123456789abcdef\"\n").unwrap();
    let server = Server::start_with(&["--api-keys-file", keys.to_str().unwrap()]);
    runtime().block_on(async {
        let mut client = RawClient::connect(&server.url, false).await;
        for path in [METADATA, READY, INFER, EMBED] {
            let refused = client.unary(path, Bytes::new()).await.unwrap_err();
            assert_eq!(refused.code(), Code::Unauthenticated, "{path}");
        }
        let refused = client.streaming(REFLECTION, stream::pending()).await;
        assert_eq!(refused.unwrap_err().code(), Code::Unauthenticated);
        for path in [
            "/inference.GRPCInferenceService/ServerLive",
            "/inference.GRPCInferenceService/ServerReady",
            "/inference.GRPCInferenceService/ServerMetadata",
            CHECK,
        ] {
            client.unary(path, Bytes::new()).await.unwrap();
        }
    });
}

#[test]
fn an_idle_client_does_not_delay_a_stop() {
    let mut server = Server::start();
    let runtime = runtime();
    let mut client = runtime.block_on(RawClient::connect(&server.url, false));
    let reflecting = client.streaming(REFLECTION, stream::pending());
    let begun = runtime.block_on(async {
        // The answer's head comes with the first message, which is never sent.
        tokio::time::timeout(Duration::from_millis(500), reflecting).await
    });
    server.terminate();
    let started = Instant::now();
    let status = server.wait(Duration::from_secs(20)).expect("it stops");
    assert!(status.success(), "{status}");
    assert!(started.elapsed() < Duration::from_secs(15));
    drop(begun);
}

#[test]
fn an_answer_has_a_maximum_size() {
    let server = Server::start();
    let before = server.resident_bytes();
    let image = base64(&fixture("420.jpg"));
    let labels: Vec<_> = (0..400)
        .map(|i| format!("{i} {}", "x".repeat(10_000)))
        .collect();
    let body = json!({"images": vec![image; 400], "labels": labels});
    let (status, code, _) = failure(server.post("/v1/classify", &body));
    assert_eq!((status, code.as_str()), (413, "answer_too_large"));
    let grown = server.peak_bytes() - before;
    assert!(grown < 300 * MIB, "{} MiB", grown / MIB);
}

#[test]
fn without_keys_no_web_page_may_use_the_server() {
    let server = Server::start();
    let url = |path: &str| format!("{}{path}", server.url);
    let definition = r#"{"labels": ["a", "b"]}"#;
    let rebound = server
        .client
        .put(url("/v1/labelsets/a"))
        .header("host", "attacker.example")
        .header("content-type", "application/json")
        .body(definition);
    let (status, code, _) = failure(rebound.send().unwrap());
    assert_eq!((status, code.as_str()), (403, "host_not_allowed"));
    for (name, value) in [
        ("origin", "https://attacker.example"),
        ("origin", "null"),
        ("sec-fetch-site", "cross-site"),
        ("sec-fetch-site", "same-site"),
    ] {
        let form = Form::new().text("label", "a").text("label", "b");
        let posted = server.client.post(url("/v1/classify")).multipart(form);
        let (status, code, _) = failure(posted.header(name, value).send().unwrap());
        assert_eq!(
            (status, code.as_str()),
            (403, "cross_site"),
            "{name}: {value}"
        );
    }
    // The server's own page, and a link to it.
    let own = server.url.clone();
    let page = server
        .client
        .get(url("/"))
        .header("sec-fetch-site", "cross-site");
    let page = page.header("sec-fetch-mode", "navigate").send().unwrap();
    assert_eq!(page.status(), 200);
    let asked = server.client.post(url("/v1/embeddings"));
    let asked = asked.header("origin", own).json(&json!({"input": "a"}));
    success(asked.send().unwrap());
}

#[test]
fn the_openapi_document_is_cheap_to_serve() {
    let server = Server::start();
    let started = Instant::now();
    let sizes: Vec<_> = (0..500)
        .map(|_| server.get("/openapi.json").bytes().unwrap().len())
        .collect();
    assert!(sizes.iter().all(|size| *size > 10_000 && *size == sizes[0]));
    let described = started.elapsed();
    let started = Instant::now();
    for _ in 0..500 {
        server.get("/healthz").bytes().unwrap();
    }
    // Writing it each time took tens of milliseconds in this build; a probe takes less than one.
    let (described, probed) = (described.as_secs_f64(), started.elapsed().as_secs_f64());
    assert!(described < 8.0 * probed, "{described} s against {probed} s");
}

#[test]
fn label_sets_have_a_common_size_limit() {
    let server = Server::start();
    let image = fixture("420.jpg");
    // An image with extra bytes: the cost of a set is its bytes. Twenty of 15 MB are 400 MB of base64.
    let mut large = image;
    large.resize(15 << 20, 0);
    let definition = json!({"labels": [
        {"label": "a", "images": [base64(&large)]}, {"label": "b", "images": [base64(&large)]}
    ]});
    let body = serde_json::to_vec(&definition).unwrap();
    let mut last = (0, String::new());
    for i in 0..12 {
        let put = server
            .client
            .put(format!("{}/v1/labelsets/set-{i}", server.url));
        let put = put.header("content-type", "application/json");
        let answer = put.body(body.clone()).send().unwrap();
        if answer.status().is_success() {
            continue;
        }
        let (status, code, _) = failure(answer);
        last = (status, code);
        break;
    }
    assert_eq!(last, (409, "too_many_labelsets".to_owned()));
    answers(&server);
}

/// A connection with the head of a request with the given body length, and a part of the body.
fn half_sent(server: &Server, announced: usize, sent: usize) -> TcpStream {
    let address = server.url.strip_prefix("http://").unwrap();
    let mut client = TcpStream::connect(address).unwrap();
    let head = format!(
        "POST /v1/embeddings HTTP/1.1\r\nhost: {address}\r\ncontent-type: application/json\r\ncontent-length: {announced}\r\n\r\n"
    );
    client.write_all(head.as_bytes()).unwrap();
    client.write_all(&vec![b' '; sent]).unwrap();
    client
}

fn answer_of(mut client: TcpStream) -> String {
    let wait = Duration::from_secs(10);
    client.set_read_timeout(Some(wait)).unwrap();
    let mut answer = Vec::new();
    // A connection that the server closes may end in a reset after the answer.
    let _ = client.read_to_end(&mut answer);
    String::from_utf8_lossy(&answer).into_owned()
}

#[test]
fn slow_senders_lose_their_slots() {
    let server = Server::start_with(&["--max-requests", "2"]);
    let slow: Vec<_> = (0..2).map(|_| half_sent(&server, 1000, 10)).collect();
    sleep(Duration::from_secs(1));
    // Both slots are taken for a minute.
    answers(&server);
    let answers: Vec<_> = slow.into_iter().map(answer_of).collect();
    let gone = answers.iter().filter(|answer| answer.contains(" 408 "));
    assert!(gone.clone().count() >= 1, "{answers:?}");
    assert!(
        gone.clone()
            .all(|answer| answer.contains("request_timeout"))
    );
}

#[test]
fn silent_grpc_calls_lose_their_slots() {
    let server = Server::start_with(&["--max-requests", "2"]);
    runtime().block_on(async {
        let silent: Vec<_> = (0..2)
            .map(|_| {
                let url = server.url.clone();
                tokio::spawn(async move {
                    let mut client = RawClient::connect(&url, false).await;
                    client.streaming(EMBED, stream::pending()).await.err()
                })
            })
            .collect();
        tokio::time::sleep(Duration::from_secs(1)).await;
        let mut client = RawClient::connect(&server.url, false).await;
        client.unary(EMBED, ONE_TEXT.into()).await.unwrap();
        silent.iter().for_each(|call| call.abort());
    });
}

#[test]
fn slow_senders_lose_their_bytes() {
    let server = Server::start_with(&["--max-body-mib", "1"]);
    // The budget is 4 MiB.
    let slow: Vec<_> = (0..4)
        .map(|_| half_sent(&server, 1 << 20, (1 << 20) - 10))
        .collect();
    sleep(Duration::from_millis(500));
    // However fast they were before.
    let body = json!({"input": vec!["x".repeat(20_000); 20]});
    for _ in 0..4 {
        success(server.post("/v1/embeddings", &body));
    }
    drop(slow);
}

#[test]
fn a_request_of_many_images_does_not_hold_up_one_of_one() {
    let server = Server::start();
    // Sixteen megapixels of one colour.
    let white = image::GrayImage::from_pixel(4000, 4000, image::Luma([255]));
    let mut file = std::io::Cursor::new(Vec::new());
    white.write_to(&mut file, image::ImageFormat::Png).unwrap();
    let file = file.into_inner();
    let many = json!({"input": vec![json!({"image": base64(&file)}); 30]});
    scope(|scope| {
        let started = Instant::now();
        let (server, many) = (&server, &many);
        let large = scope.spawn(move || {
            let answer = server.post("/v1/embeddings", many);
            (answer.status(), started.elapsed())
        });
        sleep(Duration::from_millis(500));
        let mut waits = Vec::new();
        for i in 0..4 {
            let started = Instant::now();
            let input =
                json!({"input": [{"image": base64(&fixture("420.jpg"))}, format!("text {i}")]});
            success(server.post("/v1/embeddings", &input));
            waits.push(started.elapsed());
        }
        assert!(!large.is_finished(), "the large request was too small");
        let (_, whole) = large.join().unwrap();
        // Served in turn: after one of the images and one batch at most. In order of arrival, the first request would
        // have waited for all.
        for wait in waits {
            assert!(wait < whole / 2, "{wait:?} of {whole:?}");
        }
    });
}

#[test]
fn unread_answers_have_a_common_limit() {
    let server = Server::start_with(&["--request-seconds", "5"]);
    let body = json!({"input": vec!["a red bolt"; 2048]}).to_string();
    success(server.post("/v1/embeddings", &json!({"input": "a red bolt"})));
    let before = server.resident_bytes();
    let address = server.url.strip_prefix("http://").unwrap();
    let unread: Vec<_> = (0..200)
        .map(|_| {
            let mut client = TcpStream::connect(address).unwrap();
            let head = format!(
                "POST /v1/embeddings HTTP/1.1\r\nhost: {address}\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n",
                body.len()
            );
            client.write_all(head.as_bytes()).unwrap();
            client.write_all(body.as_bytes()).unwrap();
            client
        })
        .collect();
    // 200 of 5 MB each would be a gigabyte.
    let started = Instant::now();
    while started.elapsed() < Duration::from_secs(5) {
        answers(&server);
        sleep(Duration::from_millis(200));
    }
    let grown = server.peak_bytes() - before;
    assert!(grown < 600 * MIB, "{} MiB", grown / MIB);
    drop(unread);
    answers(&server);
}
