//! A stop that proxies detect: first the server reports that it is not ready and continues to answer, then it closes.

use std::time::Duration;

use crate::support::server::models::wait_for;
use crate::support::server::{Server, success};
use serde_json::json;

#[test]
fn a_stopping_server_reports_not_ready_and_continues_to_answer() {
    // Far longer than the test: only a second signal ends it.
    let mut server = Server::start_with(&["--unready-seconds", "600"]);
    let ask = || server.post("/v1/embeddings", &json!({"input": "a red bolt"}));
    assert!(ask().headers().get("connection").is_none());
    server.terminate();
    wait_for("a server that is not ready", || {
        server.get("/readyz").status() == 503
    });
    for _ in 0..3 {
        let answer = ask();
        // The next request goes to another server.
        assert_eq!(answer.headers()["connection"], "close");
        success(answer);
    }
    assert_eq!(server.get("/healthz").status(), 200);
    server.terminate();
    let status = server.wait(Duration::from_secs(20)).expect("it ends");
    assert!(status.success(), "{status}");
}
