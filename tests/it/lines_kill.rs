//! The server is killed (SIGKILL) repeatedly during inspections, verdicts, their undoing, and the deletion of images.
//! Whatever was acknowledged is there afterwards, once, and as it was answered. `CLIP_IN_KILLS` is the number of kills (6;
//! `make kills`: 200).

use std::collections::{HashMap, HashSet};
use std::path::Path;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use crate::support::parts::{FEW_PIXELS, Shot, png};
use crate::support::postgres::Postgres;
use crate::support::server::models::wait_for;
use crate::support::server::{Server, base64, success};

const STATIONS: usize = 4;

/// Inspections of a station between two kills, at most: then it only judges.
const AT_A_TIME: usize = 10;

/// An inspection that was acknowledged.
struct Inspected {
    answer: Value,
    round: u64,
    station: usize,
    image: Vec<u8>,
    /// Verdicts and their undoing that were acknowledged.
    said: Vec<&'static str>,
    /// One that was sent; a kill came before its answer.
    unanswered: Option<&'static str>,
    images: Images,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Images {
    There,
    /// The time of retention is over, or their deletion was sent.
    MayBeGone,
    Gone,
}

#[derive(Default)]
struct Known {
    /// By idempotency key.
    inspections: HashMap<String, Inspected>,
    /// Keys that were sent.
    sent: usize,
    /// SHA-256 of images that were sent; a kill came before the answer.
    unanswered: HashSet<String>,
}

/// A server that looks for old images all the time.
fn start(state: &Path, database: Option<&str>) -> Server {
    let state = state.to_str().unwrap();
    let mut arguments = vec!["--state", state, "--workers", "1"];
    arguments.extend(["--retention-check-seconds", "1"]);
    if let Some(url) = database {
        arguments.extend(["--database", url]);
    }
    Server::start_with(&arguments)
}

fn post(server: &Server, key: &str, image: &[u8]) -> Option<Value> {
    let url = format!("{}/v1/lines/board/inspections", server.url);
    let request = server.client.post(url).header("idempotency-key", key);
    let request = request
        .header("content-type", "image/png")
        .body(image.to_vec());
    request.send().ok()?.error_for_status().ok()?.json().ok()
}

/// A picture like the others, and another file.
fn numbered(image: &[u8], key: &str) -> Vec<u8> {
    [image, key.as_bytes()].concat()
}

fn hash(image: &[u8]) -> String {
    let digest = Sha256::digest(image);
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Inspects, judges, undoes and deletes until the server is gone.
fn work(server: &Server, station: usize, round: u64, image: &[u8], known: &Mutex<Known>) {
    let mut last = String::new();
    for number in 0.. {
        if number < AT_A_TIME {
            let key = format!("{round} {station} {number}");
            // Some images come again and again.
            let image = if number % 3 == 0 {
                image.to_vec()
            } else {
                numbered(image, &key)
            };
            {
                let mut known = known.lock().unwrap();
                known.sent += 1;
                known.unanswered.insert(hash(&image));
            }
            let Some(answer) = post(server, &key, &image) else {
                return;
            };
            let mut known = known.lock().unwrap();
            known.unanswered.remove(&hash(&image));
            let inspected = Inspected {
                answer,
                round,
                station,
                image,
                said: vec![],
                unanswered: None,
                images: Images::There,
            };
            known.inspections.insert(key.clone(), inspected);
            last = key;
        }
        if number % 5 == 4 && number < AT_A_TIME && !delete(server, &last, known) {
            return;
        }
        if number % 2 == 0 && !judge_or_undo(server, station, &last, known) {
            return;
        }
    }
}

/// Deletes the images of an inspection; false if the server is gone.
fn delete(server: &Server, key: &str, known: &Mutex<Known>) -> bool {
    let images = |now: Images| {
        let mut known = known.lock().unwrap();
        let one = known.inspections.get_mut(key).unwrap();
        one.images = now;
        one.answer["id"].as_str().unwrap().to_owned()
    };
    let id = images(Images::MayBeGone);
    let url = format!("{}/v1/inspections/{id}/image", server.url);
    let deleted = server.client.delete(url).send();
    let is_done = deleted.is_ok_and(|answer| answer.status().is_success());
    if is_done {
        images(Images::Gone);
    }
    is_done
}

/// Gives a verdict, or undoes the one that was given; false if the server is gone.
fn judge_or_undo(server: &Server, station: usize, key: &str, known: &Mutex<Known>) -> bool {
    let (id, what) = {
        let mut known = known.lock().unwrap();
        let one = known.inspections.get_mut(key).unwrap();
        let verdict = if station.is_multiple_of(2) {
            "ok"
        } else {
            "ng"
        };
        let is_judged = one.said.last().is_some_and(|said| *said != "undone");
        let what = if is_judged { "undone" } else { verdict };
        one.unanswered = Some(what);
        (one.answer["id"].as_str().unwrap().to_owned(), what)
    };
    let url = format!("{}/v1/inspections/{id}/verdict", server.url);
    let request = if what == "undone" {
        server.client.delete(url)
    } else {
        server.client.post(url).json(&json!({"verdict": what}))
    };
    if !request
        .send()
        .is_ok_and(|answer| answer.status().is_success())
    {
        return false;
    }
    let mut known = known.lock().unwrap();
    let one = known.inspections.get_mut(key).unwrap();
    one.unanswered = None;
    one.said.push(what);
    true
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

/// The verdict that a row may have, given all that was said.
fn verdict(said: &str) -> Value {
    match said {
        "undone" => Value::Null,
        said => said.into(),
    }
}

/// All that was said about an inspection is there, in order. What was not answered may be there, and counts from now on.
fn check_verdicts(server: &Server, key: &str, one: &mut Inspected) {
    let id = one.answer["id"].as_str().unwrap();
    let found = success(server.get(&format!("/v1/inspections/{id}")));
    let all: Vec<_> = found["verdicts"].as_array().unwrap().iter().collect();
    if all.len() == one.said.len() + 1 {
        one.said.extend(one.unanswered);
    }
    one.unanswered = None;
    let all: Vec<_> = all.iter().map(|one| one["verdict"].clone()).collect();
    assert_eq!(all, one.said, "{key}");
}

/// The image of an inspection is there, or it is gone and may be.
fn check_image(server: &Server, key: &str, one: &mut Inspected) {
    let id = one.answer["id"].as_str().unwrap();
    let found = server.get(&format!("/v1/inspections/{id}/image"));
    match (found.status().as_u16(), one.images) {
        (200, Images::There | Images::MayBeGone) => {
            assert_eq!(found.bytes().unwrap(), one.image, "{key}");
        }
        (410, Images::MayBeGone | Images::Gone) => one.images = Images::Gone,
        (status, images) => panic!("{key}: {status}, although the image is {images:?}"),
    }
}

/// Checks that everything that was acknowledged is there, and nothing else.
fn check(server: &Server, known: &mut Known, round: u64, is_last: bool) -> usize {
    let found = rows(server);
    for (key, one) in &mut known.inspections {
        let id = one.answer["id"].as_str().unwrap();
        let row = found.get(id).unwrap_or_else(|| panic!("{key} is lost"));
        for field in ["decision", "score", "created", "reasons", "regions"] {
            assert_eq!(row[field], one.answer[field], "{key}");
        }
        let of_last_round = one.round + 1 == round;
        if of_last_round || (is_last && !one.said.is_empty()) {
            check_verdicts(server, key, one);
        }
        let said = one.said.last().copied().unwrap_or("undone");
        assert_eq!(row["verdict"], verdict(said), "{key}");
        if of_last_round || is_last {
            check_image(server, key, one);
        }
    }
    // What was not acknowledged may be there; nothing else is.
    assert!(found.len() >= known.inspections.len() && found.len() <= known.sent);
    if let Some((key, one)) = known.inspections.iter().next() {
        let again = post(server, key, &one.image).unwrap();
        assert_eq!(
            (&again["id"], &again["duplicate"]),
            (&one.answer["id"], &json!(true))
        );
    }
    found.len()
}

/// Makes the inspections of half of the stations so old that their images are deleted, and returns one of them.
fn age(database: &str, known: &mut Known) -> Option<String> {
    let young = known.inspections.values_mut();
    let old: Vec<_> = young
        .filter(|one| one.station < STATIONS / 2 && one.images == Images::There)
        .collect();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    sqlx::any::install_default_drivers();
    runtime.block_on(async {
        let pool = sqlx::AnyPool::connect(database).await.unwrap();
        let mut change = pool.begin().await.unwrap();
        for one in &old {
            let update = sqlx::query("UPDATE inspections SET created = 1000 WHERE id = $1");
            let id = one.answer["id"].as_str().unwrap();
            update.bind(id).execute(&mut *change).await.unwrap();
        }
        change.commit().await.unwrap();
        pool.close().await;
    });
    let mut one_of_them = None;
    for one in old {
        one.images = Images::MayBeGone;
        one_of_them = Some(one.answer["id"].as_str().unwrap().to_owned());
    }
    one_of_them
}

/// After a search for old images, the folder has the files of images that are there, and no others: those of inspections
/// that were not acknowledged may be left.
fn check_files(state: &Path, server: &Server, known: &mut Known) {
    wait_for("the deletion of old images", || {
        known.inspections.values().all(|one| {
            let id = one.answer["id"].as_str().unwrap();
            let path = format!("/v1/inspections/{id}/image");
            one.images != Images::MayBeGone || server.get(&path).status() == 410
        })
    });
    let needed: HashSet<_> = known
        .inspections
        .values()
        .filter(|one| one.images == Images::There)
        .map(|one| hash(&one.image))
        .collect();
    wait_for("files of deleted images to go", || {
        let mut found = HashSet::new();
        for folder in std::fs::read_dir(state.join("images")).unwrap() {
            let folder = folder.unwrap();
            for file in std::fs::read_dir(folder.path()).unwrap() {
                let [folder, file] = [folder.file_name(), file.unwrap().file_name()];
                let name = [folder.to_str().unwrap(), file.to_str().unwrap()].concat();
                // The kill may have come while a file was written, beside its name.
                if name.len() == 64 {
                    found.insert(name);
                }
            }
        }
        assert!(found.is_superset(&needed));
        let is_left = |name: &String| !needed.contains(name) && !known.unanswered.contains(name);
        !found.iter().any(is_left)
    });
}

fn kill_and_check(database: Option<&str>) {
    let kills: u64 = std::env::var("CLIP_IN_KILLS").map_or(6, |kills| kills.parse().unwrap());
    let state = tempfile::tempdir().unwrap();
    let file = format!("sqlite:{}", state.path().join("reviews.sqlite").display());
    let images: Vec<_> = (0..STATIONS as u64)
        .map(|seed| {
            png(Shot {
                seed,
                ..Shot::default()
            })
        })
        .collect();
    let server = start(state.path(), database);
    let url = format!("{}/v1/lines/board", server.url);
    let body =
        json!({"references": [base64(&images[0])], "resolution": FEW_PIXELS, "retention_days": 1});
    success(server.client.put(url).json(&body).send().unwrap());
    drop(server);
    let known = Mutex::new(Known::default());
    for round in 0..=kills {
        let ends_in_retention = round % 2 == 1;
        let mut all = known.lock().unwrap();
        let old = ends_in_retention
            .then(|| age(database.unwrap_or(&file), &mut all))
            .flatten();
        let server = start(state.path(), database);
        let rows = check(&server, &mut all, round, round == kills);
        let before = all.inspections.len();
        if round == kills {
            check_files(state.path(), &server, &mut all);
            let gone = all
                .inspections
                .values()
                .filter(|one| one.images == Images::Gone);
            println!(
                "{kills} kills, {before} inspections acknowledged, {rows} rows, {} verdicts and undoings, {} images deleted",
                all.inspections
                    .values()
                    .map(|one| one.said.len())
                    .sum::<usize>(),
                gone.count(),
            );
            break;
        }
        drop(all);
        std::thread::scope(|scope| {
            for (station, image) in images.iter().enumerate() {
                let (server, known) = (&server, &known);
                scope.spawn(move || work(server, station, round, image, known));
            }
            wait_for("some inspections", || {
                known.lock().unwrap().inspections.len() >= before + 2 * STATIONS
            });
            if let Some(old) = old {
                let path = format!("/v1/inspections/{old}/image");
                let until = Instant::now() + Duration::from_secs(60);
                while server.get(&path).status() != 410 {
                    assert!(Instant::now() < until, "no old image was deleted");
                }
            }
            // At a random point within what is next.
            std::thread::sleep(Duration::from_micros(round * 7919 % 40_000));
            server.kill();
        });
    }
}

#[test]
fn a_killed_server_loses_nothing_that_it_acknowledged() {
    kill_and_check(None);
}

#[test]
fn a_killed_server_loses_nothing_in_postgresql() {
    if let Some(postgres) = Postgres::start() {
        kill_and_check(Some(&postgres.url()));
    }
}
