//! A model decides in the shadow of a line: without any effect on it, and with figures.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::support::plant::{Plant, SMALL};
use crate::support::server::{demo, failure, success};

fn plant() -> Plant {
    let models = demo().parent().unwrap().to_owned();
    Plant::new(&["--admin", "--models-root", models.to_str().unwrap()])
}

fn ask_shadow(plant: &Plant, method: &str, body: &Value) -> reqwest::blocking::Response {
    plant.ask(method, "/v1/admin/lines/board/shadow", body)
}

/// The status, once the shadow has decided so many inspections.
fn decided(plant: &Plant, inspections: i64) -> Value {
    let started = Instant::now();
    loop {
        let status = success(ask_shadow(plant, "GET", &Value::Null));
        if status["inspections"] == inspections {
            return status;
        }
        assert!(started.elapsed() < Duration::from_secs(60), "{status}");
        std::thread::sleep(Duration::from_millis(100));
    }
}

#[test]
fn a_shadow_decides_the_same_parts_and_ends_with_the_promotion() {
    let plant = plant();
    let (status, code, _) = failure(ask_shadow(&plant, "GET", &Value::Null));
    assert_eq!((status, code.as_str()), (404, "shadow_not_found"));
    let start = json!({"model": SMALL, "share": 1.0});
    let (status, code, _) = failure(ask_shadow(&plant, "POST", &start));
    assert_eq!((status, code.as_str()), (409, "parts_not_scored"));
    success(plant.ask("POST", "/v1/lines/board/rescore", &json!({"model": SMALL})));
    for (body, field) in [
        (json!({"model": SMALL, "share": 0.0}), "share"),
        (json!({"model": SMALL, "share": 1.5}), "share"),
        (json!({"model": "clip-in-demo"}), "model"),
        (json!({"model": "nobody"}), "model"),
    ] {
        let wrong = failure(ask_shadow(&plant, "POST", &body));
        assert_eq!(wrong.2.as_deref(), Some(field), "{wrong:?}");
    }

    let started = success(ask_shadow(&plant, "POST", &start));
    assert_eq!(
        (
            &started["running"],
            &started["inspections"],
            &started["line_to_review"]
        ),
        (&json!(true), &json!(0), &Value::Null)
    );
    assert_eq!(started["calibration"]["escape"]["state"], "holds");
    // The server looks for shadows every second.
    std::thread::sleep(Duration::from_millis(1500));
    let answers: Vec<_> = (0..6)
        .map(|number| plant.inspect(20 + number, number > 2))
        .collect();
    for answer in &answers {
        assert_eq!(
            (&answer["model"], &answer["version"]),
            (&json!("clip-in-demo"), &json!(1))
        );
    }
    let status = decided(&plant, 6);
    // Both models compare with the same features: their decisions are the same.
    assert_eq!(status["differ"], 0, "{status}");
    assert_eq!(status["line_to_review"], status["shadow_to_review"]);
    let judged = &status["judged"];
    assert_eq!(
        (&judged["shadow_better"], &judged["p"]),
        (&json!(0), &Value::Null)
    );
    let counted = "clip_in_line_shadow_inspections_total{line=\"board\",outcome=\"agree\"}";
    assert!((plant.server.metric(counted) - 6.0).abs() < 1e-9);

    let promoted = plant.ask(
        "POST",
        "/v1/lines/board/promotion",
        &json!({"model": SMALL}),
    );
    assert_eq!(success(promoted)["version"], 2);
    assert_eq!(
        success(ask_shadow(&plant, "GET", &Value::Null))["running"],
        false
    );
    let (status, code, _) = failure(ask_shadow(&plant, "DELETE", &Value::Null));
    assert_eq!((status, code.as_str()), (404, "shadow_not_found"));
}

#[test]
fn a_shadow_stands_beside_one_version_of_its_line() {
    let plant = plant();
    success(plant.ask("POST", "/v1/lines/board/rescore", &json!({"model": SMALL})));
    success(ask_shadow(
        &plant,
        "POST",
        &json!({"model": SMALL, "share": 1.0}),
    ));
    // Another version of the line is another thing: its inspections are not compared with what the shadow was made for.
    let other = json!({"promise": {"escape": 0.4, "overkill": 0.4, "delta": 0.5}, "audit": 0.0});
    success(plant.ask("PUT", "/v1/lines/board", &other));
    std::thread::sleep(Duration::from_millis(1500));
    plant.inspect(30, false);
    let status = success(ask_shadow(&plant, "GET", &Value::Null));
    assert_eq!(
        (&status["running"], &status["inspections"]),
        (&json!(false), &json!(0))
    );
    assert_eq!(
        success(ask_shadow(&plant, "DELETE", &Value::Null))["ended"],
        true
    );
}
