//! Many concurrent clients: every answer is correct, batches are formed, and batching changes no embedding.

use crate::support::server::{Server, base64, distance, embeddings, fixture, success};
use serde_json::{Value, json};

const CLIENTS: usize = 64;
const REQUESTS: usize = 12;
const IMAGES: [&str; 6] = [
    "420-large.jpg",
    "rgb.png",
    "lossy.webp",
    "rgb.bmp",
    "cmyk.jpg",
    "grey16.png",
];

/// An item that depends on its number: images of several kinds, texts of several lengths.
fn item(i: usize) -> Value {
    match i % 2 {
        0 => json!({"image": base64(&fixture(IMAGES[(i / 2) % IMAGES.len()]))}),
        _ => json!({"text": format!("item {} {}", i % 10, "with a small scratch ".repeat(i % 7))}),
    }
}

#[test]
fn sixty_four_clients_get_the_results_of_one() {
    // Without the cache; otherwise the texts would not be batched.
    let server = Server::start_with(&["--text-cache-mib", "0"]);
    let kinds = 2 * IMAGES.len() * 10 * 7;
    let alone: Vec<Vec<f32>> = (0..kinds.min(CLIENTS + REQUESTS))
        .map(|i| {
            embeddings(&success(
                server.post("/v1/embeddings", &json!({"input": [item(i)]})),
            ))
            .remove(0)
        })
        .collect();
    let batches = |server: &Server, modality: &str| {
        let sum = server.metric(&format!(
            "clip_in_batch_items_sum{{modality=\"{modality}\"}}"
        ));
        (
            sum,
            server.metric(&format!(
                "clip_in_batch_items_count{{modality=\"{modality}\"}}"
            )),
        )
    };
    let before = [batches(&server, "image"), batches(&server, "text")];
    let worst = std::thread::scope(|scope| {
        let clients: Vec<_> = (0..CLIENTS)
            .map(|client| {
                let (server, alone) = (&server, &alone);
                scope.spawn(move || {
                    let requests = (0..REQUESTS).map(|request| {
                        let i = client + request;
                        // Odd requests contain two items, an image and a text.
                        let items: Vec<usize> = if request % 2 == 1 {
                            vec![i, (i + 1) % alone.len()]
                        } else {
                            vec![i]
                        };
                        let body =
                            json!({"input": items.iter().map(|i| item(*i)).collect::<Vec<_>>()});
                        let found = embeddings(&success(server.post("/v1/embeddings", &body)));
                        assert_eq!(found.len(), items.len());
                        items
                            .iter()
                            .zip(found)
                            .map(|(i, found)| distance(&found, &alone[*i]))
                            .fold(0.0, f32::max)
                    });
                    requests.fold(0.0, f32::max)
                })
            })
            .collect();
        clients
            .into_iter()
            .map(|client| client.join().unwrap())
            .fold(0.0, f32::max)
    });
    assert!(
        worst <= 1e-5,
        "an embedding differs by {worst} from its single-request value"
    );
    for (before, modality) in before.iter().zip(["image", "text"]) {
        let after = batches(&server, modality);
        let mean = (after.0 - before.0) / (after.1 - before.1);
        assert!(
            mean > 1.0,
            "{modality} batches hold {mean} items on average"
        );
    }
}

#[test]
fn a_full_queue_answers_429_and_recovers() {
    let server = Server::start_with(&["--queue", "4", "--workers", "1", "--max-batch-images", "1"]);
    let body = json!({"input": vec![item(0); 4]});
    let statuses: Vec<u16> = std::thread::scope(|scope| {
        let clients: Vec<_> = (0..32)
            .map(|_| {
                scope.spawn(|| {
                    let answer = server.post("/v1/embeddings", &body);
                    let status = answer.status().as_u16();
                    if status == 429 {
                        assert!(
                            answer.headers()["retry-after"]
                                .to_str()
                                .unwrap()
                                .parse::<u64>()
                                .unwrap()
                                >= 1
                        );
                    }
                    status
                })
            })
            .collect();
        clients
            .into_iter()
            .map(|client| client.join().unwrap())
            .collect()
    });
    assert!(
        statuses.iter().all(|status| [200, 429].contains(status)),
        "{statuses:?}"
    );
    assert!(
        statuses.contains(&200) && statuses.contains(&429),
        "{statuses:?}"
    );
    success(server.post("/v1/embeddings", &body));
}

#[test]
fn a_stop_answers_what_was_accepted() {
    let mut server = Server::start_with(&["--workers", "1", "--max-batch-texts", "1"]);
    let texts: Vec<String> = (0..400)
        .map(|i| format!("a plate with {i} holes and a long scratch on the left side"))
        .collect();
    let body = json!({"input": texts});
    let before = server.metric("clip_in_requests_in_flight");
    let answer = std::thread::scope(|scope| {
        let client = scope.spawn(|| server.post("/v1/embeddings", &body));
        while server.metric("clip_in_queue_items{lane=\"interactive\"}") <= before {
            if client.is_finished() {
                break;
            }
        }
        server.terminate();
        client.join().unwrap()
    });
    assert_eq!(embeddings(&success(answer)).len(), texts.len());
    let status = server
        .wait(std::time::Duration::from_secs(20))
        .expect("the server ends by itself");
    assert!(status.success(), "{status}");
}
