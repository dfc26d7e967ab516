//! A model that is loaded into a running server computes label sets and references before requests can reach it.

use serde_json::{Value, json};

use crate::support::parts::{Shot, png};
use crate::support::server::models::{load, named, quantised, with_admin, without_features};
use crate::support::server::{Server, base64, fixture, success};

/// The log line of a load, which is written when requests can reach the model.
const LOADED: &str = "model loaded from";
const EMBEDDING: &str = "embedding a label set for another model";
const LEARNING: &str = "learning a reference for another model";

fn put(server: &Server, path: &str, body: &Value) {
    let url = format!("{}{path}", server.url);
    success(server.client.put(url).json(body).send().unwrap());
}

fn counts(log: &str) -> [usize; 2] {
    [EMBEDDING, LEARNING].map(|line| log.matches(line).count())
}

#[test]
fn a_model_computes_what_its_requests_use_before_it_takes_over() {
    let root = tempfile::tempdir().unwrap();
    let other = named(&root.path().join("other"), "other");
    let first = named(&root.path().join("first"), "swapped");
    quantised(&root.path().join("second"), "swapped");
    without_features(&root.path().join("third"), "swapped");
    // The default model is another one: what names no model is not for the one that is loaded.
    let models = [other.as_path(), first.as_path()];
    let server = with_admin(
        &root,
        &models,
        &["--workers", "1", "--alias", "line=swapped"],
    );
    let labels = json!(["a red bolt", "a blue mug"]);
    for (name, model) in [
        ("own", "swapped"),
        ("by-alias", "line"),
        ("others", "other"),
    ] {
        let body = json!({"model": model, "labels": labels});
        put(&server, &format!("/v1/labelsets/{name}"), &body);
    }
    put(&server, "/v1/labelsets/default", &json!({"labels": labels}));
    let ok = base64(&png(Shot::default()));
    for (name, model) in [("own", "swapped"), ("others", "other"), ("asked", "other")] {
        // Only a graph of features sees another resolution than its encoder.
        let resolution = (name == "own").then_some(224);
        let body = json!({"model": model, "images": [ok], "resolution": resolution});
        put(&server, &format!("/v1/references/{name}"), &body);
    }
    // A line may compare with a reference that was put for another model.
    let line = json!({"model": "swapped", "reference": "asked"});
    put(&server, "/v1/lines/board", &line);
    let part = png(Shot::default());
    let ask = || {
        let compared = json!({"model": "swapped", "reference": "own", "images": [ok]});
        success(server.post("/v1/compare", &compared));
        let path = "/v1/lines/board/inspections";
        success(server.post_bytes(path, "image/png", part.clone()));
    };
    ask();
    // All models have the same content so far.
    assert_eq!(counts(&server.log()), [0, 0]);

    let loaded = success(load(&server, "second"));
    let expected = json!({"labelsets": 2, "references": 2, "unusable": []});
    assert_eq!(loaded["computed"], expected);
    let log = server.log_with(LOADED);
    let taken_over = log.find(LOADED).unwrap();
    assert_eq!(counts(&log[..taken_over]), [2, 2]);
    for name in ["own", "by-alias"] {
        let path = format!("/v1/classify?labelset={name}");
        success(server.post_bytes(&path, "image/jpeg", fixture("420-large.jpg")));
    }
    ask();
    assert_eq!(counts(&server.log()), [2, 2]);

    // One that cannot learn a reference says so, and serves what it can.
    let loaded = success(load(&server, "third"));
    let computed = &loaded["computed"];
    assert_eq!(
        (&computed["labelsets"], &computed["references"]),
        (&json!(2), &json!(1))
    );
    let unusable = computed["unusable"].as_array().unwrap();
    let names: Vec<_> = unusable
        .iter()
        .map(|one| [&one["object"], &one["name"]])
        .collect();
    assert_eq!(json!(names), json!([["reference", "own"]]));
    let reason = unusable[0]["reason"].as_str().unwrap();
    assert!(reason.contains("features"), "{reason}");
}
