//! A line goes from one model to another and back, while it inspects.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::support::plant::{DEMO, Plant, SMALL};
use crate::support::server::{failure, success};

#[test]
fn a_model_decides_after_it_has_scored_the_parts_and_the_way_back_is_short() {
    let plant = Plant::new(&[]);
    assert_eq!(plant.inspect(10, false)["model"], DEMO);
    let promote = json!({"model": SMALL});
    let (status, code, _) = failure(plant.of_line("POST", "/promotion", &promote));
    assert_eq!((status, code.as_str()), (409, "parts_not_scored"));
    let (status, code, _) = failure(plant.of_line("POST", "/rollback", &Value::Null));
    assert_eq!((status, code.as_str()), (409, "no_earlier_model"));
    for (body, field) in [
        (json!({"model": DEMO}), "model"),
        (json!({"model": "nobody"}), "model"),
    ] {
        let wrong = failure(plant.of_line("POST", "/promotion", &body));
        assert_eq!(wrong.2.as_deref(), Some(field), "{wrong:?}");
    }

    // Interrupted, it goes on where it was.
    let first = success(plant.of_line("POST", "/rescore", &json!({"model": SMALL, "limit": 3})));
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
                    answers.push(plant.inspect(seed, false));
                }
                answers
            })
        };
        let cameras = [camera(11), camera(12)];
        std::thread::sleep(Duration::from_secs(1));
        let promoted = success(plant.of_line("POST", "/promotion", &promote));
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

    let line = success(plant.of_line("GET", "", &Value::Null));
    assert_eq!(
        (&line["model"], &line["state"]),
        (&json!(SMALL), &json!("calibrated"))
    );
    // The command once more, as after an interruption.
    let (done, _, said) = plant.command(&["line", "promote", "board", "--model", SMALL]);
    assert!(
        done && said.contains("decides already") && said.contains("escape: holds"),
        "{said}"
    );
    let started = Instant::now();
    let back = success(plant.of_line("POST", "/rollback", &Value::Null));
    assert!(started.elapsed() < Duration::from_secs(10));
    assert_eq!(
        (&back["model"], &back["version"]),
        (&json!(DEMO), &json!(3))
    );
    let after = plant.inspect(13, false);
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
    let line = success(plant.of_line(
        "PUT",
        "",
        &json!({"promise": {"escape": 0.4, "overkill": 0.4, "delta": 0.5}}),
    ));
    assert_eq!(
        (&line["model"], &line["parts"]["left_out"]),
        (&json!(SMALL), &json!(0))
    );
    let (done, _, said) = plant.command(&["line", "rollback", "board"]);
    assert!(
        done && said.contains(&format!("{SMALL} → {DEMO}")),
        "{said}"
    );
}

#[test]
fn a_promise_that_does_not_hold_cannot_be_lost() {
    let plant = Plant::new(&[]);
    success(plant.of_line("POST", "/rescore", &json!({"model": SMALL})));
    // A stricter promise needs more parts than there are; it holds for nobody, so that nothing is lost.
    let strict = json!({"promise": {"escape": 0.01, "overkill": 0.01}, "split": {"calibrate": 1.0}, "audit": 0.0});
    success(plant.of_line("PUT", "", &strict));
    success(plant.of_line("POST", "/promotion", &json!({"model": SMALL})));
    let back = success(plant.of_line("POST", "/rollback", &Value::Null));
    assert_eq!(back["calibration"]["escape"]["state"], "infeasible");
}
