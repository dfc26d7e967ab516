//! What large bodies take in memory while several clients send them at once. Each test failed while buffers doubled, bodies
//! stayed beside what was parsed from them, and 1 GiB of address space was set aside at the start.

use std::thread::scope;
use std::time::Duration;

use serde_json::json;

use crate::support::server::{Server, answers, base64, fixture};

const MIB: u64 = 1 << 20;

#[test]
fn little_address_space_is_reserved() {
    let server = Server::start_with(&["--prepare-threads", "2"]);
    answers(&server);
    // It was 1,600 MiB on two cores; a thread's stack takes up to 8 MiB.
    let address_space = server.address_bytes();
    assert!(address_space < 1024 * MIB, "{} MiB", address_space / MIB);
}

#[test]
#[ignore = "sends 1,200 MB: `make test-full-size` runs it"]
fn concurrent_puts_of_label_sets_are_counted_with_their_embeddings() {
    let server = Server::start();
    answers(&server);
    // Images with extra bytes, 50 MB of base64.
    let mut large = fixture("420.jpg");
    large.resize(19 << 20, 0);
    let image = base64(&large);
    let labels = ["a", "b"].map(|label| json!({"label": label, "images": [image]}));
    let body = json!({"labels": labels}).to_string();
    let before = server.resident_bytes();
    let put = || {
        let put = server.client.put(format!("{}/v1/labelsets/a", server.url));
        let put = put.header("content-type", "application/json");
        let put = put.timeout(Duration::from_secs(120)).body(body.clone());
        put.send().unwrap().status().as_u16()
    };
    let statuses: Vec<u16> = scope(|scope| {
        let clients: Vec<_> = (0..8)
            .map(|_| scope.spawn(|| [put(), put(), put()]))
            .collect();
        let done = clients.into_iter().map(|client| client.join().unwrap());
        done.flatten().collect()
    });
    let made = |status: &&u16| matches!(status, 200 | 201);
    assert!(statuses.iter().filter(made).count() > 0, "{statuses:?}");
    let known = |status: &u16| matches!(status, 200 | 201 | 408 | 429);
    assert!(statuses.iter().all(known), "{statuses:?}");
    let grown = server.peak_bytes() - before;
    assert!(grown < 850 * MIB, "{} MiB", grown / MIB);
    answers(&server);
}
