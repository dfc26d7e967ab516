//! A line goes from one model to another and back, while it inspects.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::support::parts::{Shot, png};
use crate::support::server::{Server, base64, demo, failure, program, success};

const DEMO: &str = "clip-in-demo";
const SMALL: &str = "clip-in-small";

fn picture(seed: u64, scratched: bool) -> Vec<u8> {
    png(Shot::on_a_line(seed, scratched))
}

struct Plant {
    server: Server,
}

impl Plant {
    /// A server with both models, and a line that 8 labelled parts calibrate.
    fn new() -> Self {
        let small = demo().parent().unwrap().join(SMALL);
        let small = small.to_str().unwrap();
        let plant = Self {
            server: Server::start_with(&["--model", small]),
        };
        let promise = json!({"escape": 0.5, "overkill": 0.5, "delta": 0.5});
        plant.put(&json!({
            "references": [base64(&picture(1, false)), base64(&picture(2, false))],
            "promise": promise,
            "split": {"calibrate": 1.0},
            "audit": 0.0,
        }));
        let part = |number: u64| {
            let scratched = number.is_multiple_of(2);
            json!({
                "lot": format!("lot {number}"),
                "class": if scratched { "ng" } else { "ok" },
                "images": [base64(&picture(100 + number, scratched))],
            })
        };
        let parts: Vec<_> = (0..8).map(part).collect();
        let body = json!({"declared": "all of lots 0 to 7", "parts": parts});
        let report = success(plant.ask("POST", "/calibrations", &body));
        assert_eq!(report["escape"]["state"], "holds", "{report}");
        plant
    }

    fn ask(&self, method: &str, path: &str, body: &Value) -> reqwest::blocking::Response {
        let url = format!("{}/v1/lines/board{path}", self.server.url);
        let request = self.server.client.request(method.parse().unwrap(), url);
        request.json(body).send().unwrap()
    }

    fn put(&self, line: &Value) -> Value {
        success(self.ask("PUT", "", line))
    }

    fn inspect(&self, seed: u64) -> Value {
        let url = format!("{}/v1/lines/board/inspections", self.server.url);
        let request = self.server.client.post(url).body(picture(seed, false));
        success(request.header("content-type", "image/png").send().unwrap())
    }

    fn command(&self, words: &[&str]) -> (bool, String, String) {
        let mut command = program();
        command.args(words).env("CLIP_IN_SERVER", &self.server.url);
        let done = command.env_remove("CLIP_IN_API_KEY").output().unwrap();
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        (done.status.success(), text(done.stdout), text(done.stderr))
    }
}

#[test]
fn a_model_decides_after_it_has_scored_the_parts_and_the_way_back_is_short() {
    let plant = Plant::new();
    assert_eq!(plant.inspect(10)["model"], DEMO);
    let promote = json!({"model": SMALL});
    let (status, code, _) = failure(plant.ask("POST", "/promotion", &promote));
    assert_eq!((status, code.as_str()), (409, "parts_not_scored"));
    let (status, code, _) = failure(plant.ask("POST", "/rollback", &Value::Null));
    assert_eq!((status, code.as_str()), (409, "no_earlier_model"));
    for (body, field) in [
        (json!({"model": DEMO}), "model"),
        (json!({"model": "nobody"}), "model"),
    ] {
        let wrong = failure(plant.ask("POST", "/promotion", &body));
        assert_eq!(wrong.2.as_deref(), Some(field), "{wrong:?}");
    }

    // Interrupted, it goes on where it was.
    let first = success(plant.ask("POST", "/rescore", &json!({"model": SMALL, "limit": 3})));
    assert_eq!(
        first,
        json!({"model": SMALL, "scored": 3, "left": 5, "without_images": 0})
    );
    let (done, printed, said) = plant.command(&["line", "rescore", "board", "--model", SMALL]);
    assert!(done && said.contains("5 parts scored, 0 left"), "{said}");
    assert_eq!(serde_json::from_str::<Value>(&printed).unwrap()["left"], 0);

    // Inspections go on meanwhile: none is refused, and each names what decided it.
    let stop = AtomicBool::new(false);
    let answers = std::thread::scope(|scope| {
        let camera = |seed: u64| {
            let (plant, stop) = (&plant, &stop);
            scope.spawn(move || {
                let mut answers = Vec::new();
                while !stop.load(Ordering::Relaxed) {
                    answers.push(plant.inspect(seed));
                }
                answers
            })
        };
        let cameras = [camera(11), camera(12)];
        std::thread::sleep(Duration::from_secs(1));
        let promoted = success(plant.ask("POST", "/promotion", &promote));
        assert_eq!(
            (&promoted["from"], &promoted["model"], &promoted["version"]),
            (&json!(DEMO), &json!(SMALL), &json!(2))
        );
        assert_eq!(promoted["calibration"]["version"], 2);
        std::thread::sleep(Duration::from_secs(1));
        stop.store(true, Ordering::Relaxed);
        cameras.map(|camera| camera.join().unwrap()).concat()
    });
    for answer in &answers {
        let expected = if answer["version"] == 1 { DEMO } else { SMALL };
        assert_eq!(answer["model"], expected, "{answer}");
        assert_ne!(answer["reasons"], json!(["not calibrated"]), "{answer}");
    }
    assert!(answers.iter().any(|answer| answer["version"] == 1));
    assert!(answers.iter().any(|answer| answer["version"] == 2));

    let line = success(plant.ask("GET", "", &Value::Null));
    assert_eq!(
        (&line["model"], &line["state"]),
        (&json!(SMALL), &json!("calibrated"))
    );
    let started = Instant::now();
    let back = success(plant.ask("POST", "/rollback", &Value::Null));
    assert!(started.elapsed() < Duration::from_secs(10));
    assert_eq!(
        (&back["model"], &back["version"]),
        (&json!(DEMO), &json!(3))
    );
    let after = plant.inspect(13);
    assert_eq!(
        (&after["model"], &after["version"]),
        (&json!(DEMO), &json!(3))
    );
    assert_eq!(after["calibration"], back["calibration"]["id"]);

    let (done, printed, _) = plant.command(&["model", "history", "board"]);
    let lines: Vec<_> = printed.lines().collect();
    assert!(done && lines.len() == 3, "{printed}");
    assert!(
        lines[0].starts_with("version 3") && lines[0].contains(DEMO),
        "{printed}"
    );
    assert!(
        lines[1].contains(SMALL) && lines[1].contains("escape holds"),
        "{printed}"
    );

    // Another definition keeps the model that was promoted, and the same images, scored by both models, calibrate it.
    let (done, _, said) = plant.command(&["line", "promote", "board", "--model", SMALL]);
    assert!(
        done && said.contains(&format!("{DEMO} → {SMALL}")),
        "{said}"
    );
    let line = plant.put(&json!({"promise": {"escape": 0.4, "overkill": 0.4, "delta": 0.5}}));
    assert_eq!(
        (&line["model"], &line["parts"]["left_out"]),
        (&json!(SMALL), &json!(8))
    );
    let (done, _, said) = plant.command(&["line", "rollback", "board"]);
    assert!(
        done && said.contains(&format!("{SMALL} → {DEMO}")),
        "{said}"
    );
}

#[test]
fn a_promise_that_does_not_hold_cannot_be_lost() {
    let plant = Plant::new();
    success(plant.ask("POST", "/rescore", &json!({"model": SMALL})));
    // A stricter promise needs more parts than there are; it holds for nobody, so that nothing is lost.
    let strict = json!({"promise": {"escape": 0.01, "overkill": 0.01}, "split": {"calibrate": 1.0}, "audit": 0.0});
    plant.put(&strict);
    success(plant.ask("POST", "/promotion", &json!({"model": SMALL})));
    let back = success(plant.ask("POST", "/rollback", &Value::Null));
    assert_eq!(back["calibration"]["escape"]["state"], "infeasible");
}
