//! Who may call the server: gRPC asks for the same keys as REST, and no web page may
use crate::support::grpc_client::{
    CHECK, EMBED, INFER, METADATA, READY, REFLECTION, RawClient, runtime,
};
use crate::support::server::{Server, failure, success};
use bytes::Bytes;
use futures_util::stream;
use reqwest::blocking::multipart::Form;
use serde_json::json;
use tonic::Code;

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
