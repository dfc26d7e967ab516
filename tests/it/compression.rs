//! gzip in requests and answers: it saves bytes, and a small compressed body cannot become a large one.

use std::io::{Read, Write};

use crate::support::server::{Server, embeddings, failure, success};
use flate2::Compression;
use flate2::read::GzDecoder;
use flate2::write::GzEncoder;
use reqwest::blocking::Response;
use serde_json::{Value, json};

fn packed(plain: &[u8]) -> Vec<u8> {
    let mut packer = GzEncoder::new(Vec::new(), Compression::default());
    packer.write_all(plain).unwrap();
    packer.finish().unwrap()
}

fn post(server: &Server, path: &str, body: Vec<u8>) -> Response {
    let request = server.client.post(format!("{}{path}", server.url));
    let request = request
        .header("content-type", "application/json")
        .header("content-encoding", "gzip");
    request.body(body).send().unwrap()
}

#[test]
fn compressed_requests_are_accepted() {
    let server = Server::start();
    let tensors = json!({"inputs": [{"name": "text", "shape": [1], "datatype": "BYTES", "data": ["a red bolt"]}]});
    for (path, body) in [
        (
            "/v1/embeddings",
            json!({"input": ["a red bolt", "ein blauer Becher"]}),
        ),
        (
            "/v1/rerank",
            json!({"query": "a red bolt", "documents": ["a red bolt", "a blue mug"]}),
        ),
        ("/v2/models/clip-in-demo/infer", tensors),
    ] {
        let plain = success(server.post(path, &body));
        let same = success(post(&server, path, packed(body.to_string().as_bytes())));
        assert_eq!(plain, same, "{path}");
    }
    let url = format!("{}/v1/labelsets/packed", server.url);
    let set = packed(json!({"labels": ["a", "b"]}).to_string().as_bytes());
    let put = server
        .client
        .put(url)
        .header("content-type", "application/json");
    success(
        put.header("content-encoding", "gzip")
            .body(set)
            .send()
            .unwrap(),
    );
    // Several members form one file, as for gunzip.
    let two = [packed(br#"{"input": "#), packed(br#""a"}"#)].concat();
    assert_eq!(
        embeddings(&success(post(&server, "/v1/embeddings", two))).len(),
        1
    );
    let cut = packed(&json!({"input": "a"}).to_string().into_bytes());
    for broken in [b"no gzip".to_vec(), cut[..cut.len() - 6].to_vec()] {
        assert_eq!(
            failure(post(&server, "/v1/embeddings", broken)).1,
            "invalid_gzip"
        );
    }
}

#[test]
fn the_decompressed_size_of_a_body_is_limited_and_counted() {
    let server = Server::start_with(&["--max-body-mib", "8"]);
    let before = server.resident_bytes();
    // A thousandth of its size on the wire
    let bomb = packed(&vec![b' '; 200 << 20]);
    assert!(bomb.len() < 1 << 20);
    for _ in 0..4 {
        assert_eq!(
            failure(post(&server, "/v1/embeddings", bomb.clone())).1,
            "body_too_large"
        );
    }
    let grown = server.resident_bytes().saturating_sub(before);
    assert!(grown < 100 << 20, "{grown}");
    // Everything is released: as much as the budget allows is read again and again.
    let mut large = vec![b' '; 7 << 20];
    large.extend_from_slice(br#"{"input": "a"}"#);
    let large = packed(&large);
    for _ in 0..8 {
        success(post(&server, "/v1/embeddings", large.clone()));
    }
}

#[test]
fn large_answers_are_compressed_on_request() {
    let server = Server::start();
    let ask = |items: usize, accept: Option<&str>| {
        let input: Vec<_> = (0..items).map(|i| format!("text {i}")).collect();
        let request = server.client.post(format!("{}/v1/embeddings", server.url));
        let mut request = request.json(&json!({"input": input}));
        if let Some(accept) = accept {
            request = request.header("accept-encoding", accept);
        }
        request.send().unwrap()
    };
    let plain = ask(100, None);
    assert!(plain.headers().get("content-encoding").is_none());
    // A cache must know that other clients get another encoding.
    assert_eq!(plain.headers()["vary"], "accept-encoding");
    let plain = plain.bytes().unwrap();
    let answer = ask(100, Some("br, gzip;q=0.8"));
    assert_eq!(answer.headers()["content-encoding"], "gzip");
    assert_eq!(answer.headers()["content-type"], "application/json");
    let bytes = answer.bytes().unwrap();
    assert!(
        bytes.len() < plain.len() * 2 / 3,
        "{} of {}",
        bytes.len(),
        plain.len()
    );
    let mut unpacked = Vec::new();
    GzDecoder::new(&bytes[..])
        .read_to_end(&mut unpacked)
        .unwrap();
    let json = |bytes: &[u8]| serde_json::from_slice::<Value>(bytes).unwrap();
    assert_eq!(json(&unpacked), json(&plain));
    for (items, accept) in [
        (1, Some("gzip")),
        (100, Some("gzip;q=0")),
        (100, Some("br")),
    ] {
        let answer = ask(items, accept);
        assert!(
            answer.headers().get("content-encoding").is_none(),
            "{accept:?}"
        );
        assert_eq!(embeddings(&success(answer)).len(), items);
    }
}
