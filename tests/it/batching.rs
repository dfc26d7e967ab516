//! Batching changes no embedding: waiting for more items, padded batches, padded texts.

use crate::support::server::{Server, base64, distance, embeddings, fixture, success};
use serde_json::{Value, json};

fn texts() -> Vec<Value> {
    (0..40)
        .map(|i| json!({"text": format!("part {i} {}", "with a small scratch ".repeat(i % 9))}))
        .collect()
}

#[test]
fn padded_batches_and_texts_give_the_same_embeddings() {
    // A GPU's policy on the CPU: every batch and every text is padded to a power of two.
    let filled = Server::start_with(&[
        "--precision",
        "fp32",
        "--batch-buckets",
        "true",
        "--batch-wait-microseconds",
        "5000",
        "--text-cache-mib",
        "0",
    ]);
    let plain = Server::start_with(&["--precision", "fp32", "--text-cache-mib", "0"]);
    let images = ["rgb.png", "lossy.webp", "420-large.jpg"]
        .map(|name| json!({"image": base64(&fixture(name))}));
    let items: Vec<Value> = texts().into_iter().chain(images).collect();
    let together = embeddings(&success(
        filled.post("/v1/embeddings", &json!({"input": items})),
    ));
    for (item, found) in items.iter().zip(&together) {
        // Alone, and without padding.
        let alone = embeddings(&success(
            plain.post("/v1/embeddings", &json!({"input": [item]})),
        ));
        assert!(distance(found, &alone[0]) <= 1e-5, "{item:.60}");
    }
    assert!(filled.metric("clip_in_batch_items_sum{modality=\"text\"}") >= 40.0);
}

#[test]
fn a_batch_waits_for_more_items_at_most_the_configured_time() {
    let server = Server::start_with(&[
        "--batch-wait-microseconds",
        "500000",
        "--text-cache-mib",
        "0",
        "--workers",
        "1",
    ]);
    let started = std::time::Instant::now();
    success(server.post("/v1/embeddings", &json!({"input": "alone"})));
    let alone = started.elapsed().as_millis();
    assert!((500..3000).contains(&alone), "{alone} ms");
    let count = |server: &Server| server.metric("clip_in_batch_items_count{modality=\"text\"}");
    let before = count(&server);
    std::thread::scope(|scope| {
        for i in 0..8 {
            let server = &server;
            scope.spawn(move || {
                success(server.post("/v1/embeddings", &json!({"input": format!("text {i}")})))
            });
        }
    });
    assert!(
        count(&server) - before <= 3.0,
        "eight texts at a time are one batch, or two"
    );
}

#[test]
fn an_image_that_was_seen_before_is_not_decoded_again() {
    let server = Server::start_with(&["--image-cache-mib", "8"]);
    let image = json!({"input": [{"image": base64(&fixture("rgb.png"))}]});
    let first = embeddings(&success(server.post("/v1/embeddings", &image)));
    let again = embeddings(&success(server.post("/v1/embeddings", &image)));
    assert_eq!(first, again);
    // The same file in another request form.
    let raw = success(server.post_bytes("/v1/embeddings", "image/png", fixture("rgb.png")));
    assert_eq!(embeddings(&raw), first);
    assert_eq!(server.metric("clip_in_image_cache_hits_total"), 2.0);
    assert_eq!(
        server.metric("clip_in_batch_items_sum{modality=\"image\"}"),
        1.0
    );
    assert!(server.metric("clip_in_image_cache_bytes") > 0.0);
    // A broken item stays broken.
    for _ in 0..2 {
        let answer = server.post_bytes("/v1/embeddings", "image/png", b"no picture".to_vec());
        assert!(answer.status().is_client_error());
    }
}

#[test]
fn a_batch_that_is_alone_gives_the_same_embeddings_on_all_cores() {
    let arguments = ["--precision", "fp32", "--text-cache-mib", "0"];
    let wide = Server::start_with(&[&arguments[..], &["--wide-threads", "2"]].concat());
    let narrow = Server::start_with(&[&arguments[..], &["--wide-threads", "1"]].concat());
    let items = [
        json!({"image": base64(&fixture("rgb.png"))}),
        json!({"text": "a metal plate with a scratch"}),
    ];
    for item in items {
        let body = json!({"input": [item]});
        let found = embeddings(&success(wide.post("/v1/embeddings", &body)));
        let expected = embeddings(&success(narrow.post("/v1/embeddings", &body)));
        assert!(distance(&found[0], &expected[0]) <= 1e-6);
    }
    for modality in ["image", "text"] {
        let metric = format!("clip_in_wide_batches_total{{modality=\"{modality}\"}}");
        assert!(narrow.metric(&metric) == 0.0, "--wide-threads 1 means none");
        // Whether they are faster, and so used, is measured when the server starts.
        let log = wide.log_with("measured sessions with more threads");
        let (_, after) = log.split_once(&format!("{modality}_gain=")).unwrap();
        let gain: f64 = after.split_whitespace().next().unwrap().parse().unwrap();
        let expected = if gain >= 1.2 { 1.0 } else { 0.0 };
        assert!(wide.metric(&metric) == expected, "gain {gain}");
    }
}
