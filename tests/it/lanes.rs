//! Lanes, deadlines and the text cache, as seen by a client.

use std::time::{Duration, Instant};

use crate::support::server::{Server, distance, embeddings, failure, success};
use serde_json::{Value, json};

fn texts(count: usize, tag: &str) -> Value {
    let texts: Vec<String> = (0..count)
        .map(|i| format!("{tag} {i}: a plate with a long scratch on the left side"))
        .collect();
    json!({"input": texts})
}

#[test]
fn an_interactive_request_overtakes_bulk_work() {
    let server = Server::start_with(&[
        "--workers",
        "1",
        "--text-cache-mib",
        "0",
        "--max-batch-texts",
        "4",
    ]);
    let bulk = || {
        let request = server.client.post(format!("{}/v1/embeddings", server.url));
        success(
            request
                .header("x-clip-in-lane", "bulk")
                .json(&texts(2000, "bulk"))
                .send()
                .unwrap(),
        )
    };
    std::thread::scope(|scope| {
        let job = scope.spawn(bulk);
        while server.metric("clip_in_queue_items{lane=\"bulk\"}") < 500.0 {
            assert!(
                !job.is_finished(),
                "bulk work ended before it could be overtaken"
            );
        }
        success(server.post("/v1/embeddings", &texts(1, "interactive")));
        assert!(
            !job.is_finished(),
            "the interactive request waited for all bulk work"
        );
        assert!(server.metric("clip_in_queue_items{lane=\"bulk\"}") > 0.0);
        assert_eq!(job.join().unwrap()["data"].as_array().unwrap().len(), 2000);
    });
}

#[test]
fn a_deadline_ends_a_request_and_its_work() {
    let server = Server::start_with(&[
        "--workers",
        "1",
        "--text-cache-mib",
        "0",
        "--max-batch-texts",
        "1",
    ]);
    // On a busy machine the first deadlines may pass before the first item is in the queue.
    let mut thrown_out = 0.0;
    for deadline in ["300ms", "1s", "3s"] {
        let request = server.client.post(format!("{}/v1/embeddings", server.url));
        let started = Instant::now();
        let answer = request
            .header("x-request-timeout", deadline)
            .json(&texts(1000, &"a late text that is long ".repeat(3)))
            .send()
            .unwrap();
        assert_eq!(failure(answer).1, "deadline_exceeded");
        // The client's own limit is longer. The metrics below show that the work was not done.
        assert!(started.elapsed() < Duration::from_secs(20));
        // Items in the queue are removed, not run.
        success(server.post("/v1/embeddings", &texts(1, "next")));
        thrown_out = server.metric("clip_in_cancelled_items_total")
            + server.metric("clip_in_expired_items_total");
        if thrown_out > 100.0 {
            break;
        }
    }
    assert!(thrown_out > 100.0, "{thrown_out} items were thrown out");
    for (header, value, code) in [
        ("x-request-timeout", "soon", "invalid_timeout"),
        ("x-request-timeout", "-1", "invalid_timeout"),
        ("x-clip-in-lane", "express", "invalid_lane"),
    ] {
        let request = server.client.post(format!("{}/v1/embeddings", server.url));
        let answer = request
            .header(header, value)
            .json(&texts(1, "a"))
            .send()
            .unwrap();
        let (status, found, param) = failure(answer);
        assert_eq!(
            (status, found.as_str(), param.as_deref()),
            (400, code, Some(header))
        );
    }
}

#[test]
fn a_cached_text_gives_the_same_answer() {
    let server = Server::start();
    let long = "word ".repeat(500);
    let body = json!({"input": ["a red bolt", long, "a blue mug"]});
    let first = success(server.post("/v1/embeddings", &body));
    let again = json!({"input": ["something new", "a blue mug", long, "a red bolt"]});
    let second = success(server.post("/v1/embeddings", &again));
    assert_eq!(server.metric("clip_in_text_cache_hits_total"), 3.0);
    let (first_vectors, second_vectors) = (embeddings(&first), embeddings(&second));
    for (a, b) in [(0, 3), (1, 2), (2, 1)] {
        assert!(distance(&first_vectors[a], &second_vectors[b]) == 0.0);
    }
    assert_eq!(
        first["usage"]["truncated_tokens"],
        second["usage"]["truncated_tokens"]
    );
    // The cache does not bypass a refusal to truncate.
    let refused = failure(server.post(
        "/v1/embeddings",
        &json!({"input": [long], "truncate": false}),
    ));
    assert_eq!(refused.1, "text_would_be_truncated");
    assert!(server.metric("clip_in_text_cache_bytes") > 1000.0);
}
