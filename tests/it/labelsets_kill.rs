//! The server is killed (SIGKILL) repeatedly while label sets are written. After the next start each set is complete,
//! and is either the last acknowledged one or the one in progress. `CLIP_IN_KILLS` is the number of kills (20; `make
//! kills`: 200).

use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use crate::support::server::models::wait_for;
use crate::support::server::{Server, base64, fixture, success};
use serde_json::{Value, json};

/// One thread writes each set, so that its possible versions are known.
const SETS: usize = 6;
const LABELS: usize = 60;
/// Label texts. Only a few, so that all are cached and the time goes into writing.
const TEXTS: [&str; 7] = [
    "a red bolt",
    "a blue mug",
    "a green cogwheel",
    "two yellow screws",
    "an orange plug",
    "a grey washer",
    "a plate with a scratch",
];

/// A version of a set; 0: there is none.
type Version = u64;

/// The set at the last answer, and the set that an unanswered request would make.
#[derive(Debug, Clone, Copy, Default)]
struct Known {
    acknowledged: Version,
    on_its_way: Version,
    /// Increases with each request, so that all versions differ.
    requests: u64,
}

fn start(state: &Path) -> Server {
    let state = state.to_str().unwrap();
    Server::start_with(&["--state", state, "--precision", "fp32", "--workers", "1"])
}

fn text(version: Version, label: usize) -> usize {
    (version as usize + label) % TEXTS.len()
}

fn definition(version: Version) -> Value {
    let label = |i| json!({"label": format!("{version}-{i}"), "texts": [TEXTS[text(version, i)]]});
    json!({"labels": (0..LABELS).map(label).collect::<Vec<_>>()})
}

/// Writes a set until the server is gone. Every fifth time it is deleted.
fn write_on(server: &Server, set: usize, known: &mut Known, written: &AtomicUsize) {
    let url = format!("{}/v1/labelsets/set-{set}", server.url);
    loop {
        known.requests += 1;
        let delete = known.requests.is_multiple_of(5) && known.acknowledged != 0;
        known.on_its_way = if delete { 0 } else { known.requests };
        let request = if delete {
            server.client.delete(&url)
        } else {
            server.client.put(&url).json(&definition(known.requests))
        };
        match request.send() {
            Ok(answer) => assert!(answer.status().is_success(), "{answer:?}"),
            Err(_) => return,
        }
        known.acknowledged = known.on_its_way;
        written.fetch_add(1, Ordering::SeqCst);
    }
}

/// The version of a set; panics if it is not consistently of that version.
fn version_of(server: &Server, set: usize, cosines: &[f64]) -> Version {
    let answer = server.get(&format!("/v1/labelsets/set-{set}"));
    if answer.status() == 404 {
        return 0;
    }
    let found = success(answer);
    let name = found["labels"][0]["label"].as_str().unwrap();
    let version: Version = name.split('-').next().unwrap().parse().unwrap();
    let expected = definition(version);
    let (found, expected) = (&found["labels"], &expected["labels"]);
    assert_eq!(found.as_array().unwrap().len(), LABELS);
    for (found, expected) in found
        .as_array()
        .unwrap()
        .iter()
        .zip(expected.as_array().unwrap())
    {
        assert_eq!(
            (&found["label"], &found["texts"]),
            (&expected["label"], &expected["texts"])
        );
    }
    // Its vectors match its texts.
    let path = format!("/v1/classify?labelset=set-{set}");
    let ranked = success(server.post_bytes(&path, "image/png", fixture("rgb.png")));
    for label in ranked["results"][0]["labels"].as_array().unwrap() {
        let index = label["index"].as_u64().unwrap() as usize;
        let cosine = label["similarity"].as_f64().unwrap();
        assert!(
            (cosine - cosines[text(version, index)]).abs() < 1e-5,
            "set {set}, {label}"
        );
    }
    version
}

/// The image's cosine to each text, computed without a set.
fn cosines(server: &Server) -> Vec<f64> {
    let body = json!({"images": [base64(&fixture("rgb.png"))], "texts": TEXTS});
    let scores = success(server.post("/v1/similarity", &body))["scores"][0].clone();
    serde_json::from_value(scores).unwrap()
}

fn unfinished(state: &Path) -> usize {
    let files = std::fs::read_dir(state.join("labelsets")).unwrap();
    files
        .filter(|file| {
            file.as_ref()
                .unwrap()
                .file_name()
                .to_str()
                .unwrap()
                .ends_with(".unfinished")
        })
        .count()
}

#[test]
fn a_killed_server_leaves_complete_sets() {
    let kills: u64 = std::env::var("CLIP_IN_KILLS").map_or(20, |kills| kills.parse().unwrap());
    let state = tempfile::tempdir().unwrap();
    let mut known = [Known::default(); SETS];
    let (mut old, mut new, mut torn_writes, mut writes) = (0, 0, 0, 0);
    let cosines = cosines(&start(state.path()));
    for kill in 0..=kills {
        let server = start(state.path());
        for (set, known) in known.iter_mut().enumerate() {
            let found = version_of(&server, set, &cosines);
            let Known {
                acknowledged,
                on_its_way,
                ..
            } = *known;
            assert!(
                found == acknowledged || found == on_its_way,
                "set {set} is version {found} after kill {kill}; {acknowledged} was acknowledged, {on_its_way} on its way"
            );
            *(if found == acknowledged {
                &mut old
            } else {
                &mut new
            }) += 1;
            known.acknowledged = found;
        }
        if kill == kills {
            break;
        }
        let written = AtomicUsize::new(0);
        std::thread::scope(|scope| {
            for (set, known) in known.iter_mut().enumerate() {
                let (server, written) = (&server, &written);
                scope.spawn(move || write_on(server, set, known, written));
            }
            wait_for("some writing", || written.load(Ordering::SeqCst) >= SETS);
            // At a random point within the next writes.
            std::thread::sleep(Duration::from_micros(kill * 7919 % 40_000));
            server.kill();
        });
        torn_writes += usize::from(unfinished(state.path()) > 0);
        writes += written.into_inner();
    }
    println!(
        "{kills} kills, {writes} writes acknowledged; {torn_writes} kills left a file that was never finished; \
         of {} sets {old} were as acknowledged, {new} as asked for last",
        old + new
    );
}
