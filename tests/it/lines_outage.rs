//! The database goes away and comes back. A line refuses inspections meanwhile, or answers them and stores them later, once
//! each and in order, also if the server is killed.

use std::path::Path;

use serde_json::{Value, json};

use crate::support::parts::{FEW_PIXELS, Shot, png};
use crate::support::postgres::Postgres;
use crate::support::server::models::wait_for;
use crate::support::server::{Server, base64, failure, success};

fn start(state: &Path, postgres: &Postgres) -> Server {
    let (state, url) = (state.to_str().unwrap(), postgres.url());
    Server::start_with(&["--state", state, "--workers", "1", "--database", &url])
}

fn put(server: &Server, line: &str, store: &str, image: &[u8]) -> Value {
    let body = json!({"references": [base64(image)], "resolution": FEW_PIXELS, "store": store});
    let url = format!("{}/v1/lines/{line}", server.url);
    success(server.client.put(url).json(&body).send().unwrap())
}

fn inspect(
    server: &Server,
    line: &str,
    number: usize,
    image: &[u8],
) -> reqwest::blocking::Response {
    let url = format!(
        "{}/v1/lines/{line}/inspections?trigger={number}",
        server.url
    );
    let request = server.client.post(url).header("content-type", "image/png");
    let request = request.header("idempotency-key", format!("part {number}"));
    request.body(image.to_vec()).send().unwrap()
}

fn assert_refused(answer: reqwest::blocking::Response) {
    let (status, code, _) = failure(answer);
    assert_eq!((status, code.as_str()), (503, "reviews_unavailable"));
}

/// The stored inspections of a line, the oldest first.
fn stored(server: &Server, line: &str) -> Vec<Value> {
    let page = success(server.get(&format!("/v1/lines/{line}/inspections?limit=200")));
    page["data"].as_array().unwrap().clone()
}

#[test]
fn an_inspection_is_refused_or_waits_while_the_database_is_away() {
    let Some(mut postgres) = Postgres::start() else {
        return;
    };
    let state = tempfile::tempdir().unwrap();
    let images: Vec<_> = (1..12)
        .map(|seed| png(Shot::on_a_line(seed, false)))
        .collect();
    let server = start(state.path(), &postgres);
    assert_eq!(
        put(&server, "strict", "before", &images[0])["store"],
        "before"
    );
    assert_eq!(
        put(&server, "patient", "queued", &images[0])["store"],
        "queued"
    );
    let mut answers = Vec::new();
    for line in ["strict", "patient"] {
        let answer = success(inspect(&server, line, 0, &images[0]));
        assert_eq!(answer["queued"], false);
        if line == "patient" {
            answers.push(answer);
        }
    }
    postgres.stop();
    // The first one finds out that the database is away; later ones fail at once.
    for _ in 0..2 {
        assert_refused(inspect(&server, "strict", 1, &images[1]));
    }
    for (number, image) in images.iter().enumerate().take(6).skip(1) {
        answers.push(success(inspect(&server, "patient", number, image)));
    }
    assert!(answers[1..].iter().all(|answer| answer["queued"] == true));
    let again = success(inspect(&server, "patient", 5, &images[5]));
    assert_eq!(
        (&again["id"], &again["duplicate"], &again["queued"]),
        (&answers[5]["id"], &json!(true), &json!(true))
    );
    let (status, code, _) = failure(inspect(&server, "patient", 5, &images[6]));
    assert_eq!((status, code.as_str()), (409, "idempotency_key_reused"));
    // Its answer was given before, and the database cannot be asked.
    let twice = success(inspect(&server, "patient", 0, &images[0]));
    assert_eq!(twice["duplicate"], false);
    wait_for("the metric", || {
        server.metric("clip_in_line_waiting_inspections") == 6.0
    });
    server.kill();
    drop(server);

    postgres.start_again();
    let server = start(state.path(), &postgres);
    let check = |server: &Server, answers: &[Value]| {
        let found = stored(server, "patient");
        let ids: Vec<_> = found.iter().map(|one| &one["id"]).collect();
        let acknowledged: Vec<_> = answers.iter().map(|one| &one["id"]).collect();
        assert_eq!(ids, acknowledged);
        for (found, answer) in found.iter().zip(answers) {
            for field in ["created", "score", "decision", "trigger"] {
                assert_eq!(found[field], answer[field]);
            }
        }
    };
    check(&server, &answers);
    let id = answers[3]["id"].as_str().unwrap();
    let image = server.get(&format!("/v1/inspections/{id}/image"));
    assert_eq!(image.bytes().unwrap(), images[3]);
    assert_eq!(stored(&server, "strict").len(), 1);

    // Away and back while the server runs, just after another server has changed both lines.
    let elsewhere = tempfile::tempdir().unwrap();
    let other = start(elsewhere.path(), &postgres);
    for (line, store) in [("strict", "before"), ("patient", "queued")] {
        put(&other, line, store, &images[10]);
    }
    drop(other);
    // The server looks for changes every second.
    std::thread::sleep(std::time::Duration::from_millis(2500));
    postgres.stop();
    for (number, image) in images.iter().enumerate().take(9).skip(6) {
        answers.push(success(inspect(&server, "patient", number, image)));
    }
    assert_refused(inspect(&server, "strict", 1, &images[1]));
    postgres.start_again();
    wait_for("the queue", || {
        server.metric("clip_in_line_waiting_inspections") == 0.0
    });
    answers.push(success(inspect(&server, "patient", 9, &images[9])));
    check(&server, &answers);
    // The two that were refused are missing, and the line says so.
    let next = success(inspect(&server, "strict", 3, &images[3]));
    assert_eq!(next["missed_triggers"], 2);
}
