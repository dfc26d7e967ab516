//! The server is killed (SIGKILL) repeatedly during inspections and verdicts. Whatever was acknowledged is there afterwards,
//! once, and as it was answered. `CLIP_IN_KILLS` is the number of kills (6; `make kills`: 200).

use std::collections::HashMap;
use std::path::Path;
use std::sync::Mutex;
use std::time::Duration;

use serde_json::{Value, json};

use crate::support::parts::{Shot, png};
use crate::support::server::models::wait_for;
use crate::support::server::{Server, base64, success};

const STATIONS: usize = 4;

#[derive(Default)]
struct Known {
    /// Answers by idempotency key.
    inspections: HashMap<String, Value>,
    /// Verdicts by inspection.
    verdicts: HashMap<String, &'static str>,
    /// Keys that were sent.
    sent: usize,
}

fn start(state: &Path) -> Server {
    Server::start_with(&["--state", state.to_str().unwrap(), "--workers", "1"])
}

fn post(server: &Server, key: &str, image: &[u8]) -> Option<Value> {
    let url = format!("{}/v1/lines/board/inspections", server.url);
    let request = server.client.post(url).header("idempotency-key", key);
    let request = request
        .header("content-type", "image/png")
        .body(image.to_vec());
    request.send().ok()?.error_for_status().ok()?.json().ok()
}

/// Inspects and judges until the server is gone.
fn work(server: &Server, station: usize, round: u64, image: &[u8], known: &Mutex<Known>) {
    for number in 0.. {
        let key = format!("{round} {station} {number}");
        known.lock().unwrap().sent += 1;
        let Some(answer) = post(server, &key, image) else {
            return;
        };
        let id = answer["id"].as_str().unwrap().to_owned();
        known.lock().unwrap().inspections.insert(key, answer);
        if number % 2 == 0 {
            let said = if station.is_multiple_of(2) {
                "ok"
            } else {
                "ng"
            };
            let url = format!("{}/v1/inspections/{id}/verdict", server.url);
            let judged = server
                .client
                .post(url)
                .json(&json!({"verdict": said}))
                .send();
            if !judged.is_ok_and(|answer| answer.status().is_success()) {
                return;
            }
            known.lock().unwrap().verdicts.insert(id, said);
        }
    }
}

/// All rows of the line, with their verdicts.
fn rows(server: &Server) -> HashMap<String, Value> {
    let (mut rows, mut after) = (HashMap::new(), String::new());
    loop {
        let page = success(server.get(&format!("/v1/lines/board/inspections?limit=200{after}")));
        for row in page["data"].as_array().unwrap() {
            let id = row["id"].as_str().unwrap().to_owned();
            assert!(rows.insert(id, row.clone()).is_none(), "twice: {row}");
        }
        match page["next"].as_str() {
            Some(next) => after = format!("&after={next}"),
            None => return rows,
        }
    }
}

#[test]
fn a_killed_server_loses_nothing_that_it_acknowledged() {
    let kills: u64 = std::env::var("CLIP_IN_KILLS").map_or(6, |kills| kills.parse().unwrap());
    let state = tempfile::tempdir().unwrap();
    let images: Vec<_> = (0..STATIONS as u64)
        .map(|seed| {
            png(Shot {
                seed,
                ..Shot::default()
            })
        })
        .collect();
    let server = start(state.path());
    let url = format!("{}/v1/lines/board", server.url);
    let body = json!({"references": [base64(&images[0])]});
    success(server.client.put(url).json(&body).send().unwrap());
    drop(server);
    let known = Mutex::new(Known::default());
    for round in 0..=kills {
        let server = start(state.path());
        let found = rows(&server);
        let all = known.lock().unwrap();
        for (key, answer) in &all.inspections {
            let id = answer["id"].as_str().unwrap();
            let row = found.get(id).unwrap_or_else(|| panic!("{key} is lost"));
            for field in ["decision", "score", "created", "reasons", "regions"] {
                assert_eq!(row[field], answer[field], "{key}");
            }
            if let Some(said) = all.verdicts.get(id) {
                assert_eq!(row["verdict"], *said, "{key}");
            }
        }
        // What was not acknowledged may be there; nothing else is.
        assert!(found.len() >= all.inspections.len() && found.len() <= all.sent);
        if let Some((key, answer)) = all.inspections.iter().next() {
            let station: usize = key.split(' ').nth(1).unwrap().parse().unwrap();
            let again = post(&server, key, &images[station]).unwrap();
            assert_eq!(
                (&again["id"], &again["duplicate"]),
                (&answer["id"], &json!(true))
            );
            let image = server.get(&format!(
                "/v1/inspections/{}/image",
                answer["id"].as_str().unwrap()
            ));
            assert_eq!(image.bytes().unwrap(), images[station]);
        }
        let before = all.inspections.len();
        drop(all);
        if round == kills {
            println!(
                "{kills} kills, {before} inspections acknowledged, {} rows",
                found.len()
            );
            break;
        }
        std::thread::scope(|scope| {
            for (station, image) in images.iter().enumerate() {
                let (server, known) = (&server, &known);
                scope.spawn(move || work(server, station, round, image, known));
            }
            wait_for("some inspections", || {
                known.lock().unwrap().inspections.len() >= before + 2 * STATIONS
            });
            // At a random point within the next ones.
            std::thread::sleep(Duration::from_micros(round * 7919 % 40_000));
            server.kill();
        });
    }
}
