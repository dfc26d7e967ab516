//! Parts that a person found OK become references of a line, with scores and promises of then.

use serde_json::{Value, json};

use crate::support::parts::FEW_PIXELS;
use crate::support::plant::{DEMO, Plant, SMALL, picture};
use crate::support::server::{base64, failure, success};

fn judge(plant: &Plant, id: &str, verdict: &str) {
    let path = format!("/v1/inspections/{id}/verdict");
    success(plant.ask("POST", &path, &json!({"verdict": verdict})));
}

#[test]
fn good_parts_become_references_and_the_promises_are_those_of_then() {
    let plant = Plant::new(&[]);
    let before: Vec<_> = [10, 11].map(|seed| plant.inspect(seed, false)).into();
    let ids: Vec<_> = before
        .iter()
        .map(|one| one["id"].as_str().unwrap())
        .collect();
    for id in &ids {
        judge(&plant, id, "ok");
    }

    // Some labelled parts are scored in each request, and the line decides as before meanwhile.
    let first = success(plant.of_line(
        "POST",
        "/references",
        &json!({"inspections": ids, "limit": 3}),
    ));
    assert_eq!(
        (&first["scored"], &first["left"], &first["version"]),
        (&json!(3), &json!(5), &Value::Null),
        "{first}"
    );
    assert_eq!(plant.inspect(12, false)["version"], 1);
    let words = [
        "line",
        "add-references",
        "board",
        "--inspection",
        ids[0],
        "--inspection",
        ids[1],
    ];
    let (done, printed, said) = plant.command(&words);
    assert!(done && said.contains("5 parts scored, 0 left"), "{said}");
    assert!(said.contains("escape: holds"), "{said}");
    let added: Value = serde_json::from_str(&printed).unwrap();
    assert_eq!(added["version"], 2);

    // The reference has the images of before and those of both parts.
    let name = added["references"][0].as_str().unwrap();
    let reference = success(plant.ask("GET", &format!("/v1/references/{name}"), &Value::Null));
    assert_eq!(reference["images"], 4, "{reference}");
    let line = success(plant.of_line("GET", "", &Value::Null));
    assert_eq!(
        (&line["reference"], &line["state"], &line["model"]),
        (&json!(name), &json!("calibrated"), &json!(DEMO))
    );
    assert_eq!(line["parts"]["left_out"], 0, "{line}");

    // The same part again is a reference now: nothing has changed. The answer to the earlier inspection stays.
    let again = plant.inspect(10, false);
    assert_eq!(again["version"], 2);
    assert!(
        again["score"].as_f64().unwrap() < before[0]["score"].as_f64().unwrap(),
        "{again} {}",
        before[0]
    );
    let kept = success(plant.ask("GET", &format!("/v1/inspections/{}", ids[0]), &Value::Null));
    assert_eq!(
        (&kept["version"], &kept["score"]),
        (&json!(1), &before[0]["score"])
    );

    // With them once more nothing would change.
    let (status, _, param) =
        failure(plant.of_line("POST", "/references", &json!({"inspections": ids})));
    assert_eq!((status, param.as_deref()), (400, Some("inspections")));
}

#[test]
fn only_a_part_that_a_person_found_ok_becomes_a_reference() {
    let plant = Plant::new(&[]);
    let unsaid = plant.inspect(10, false);
    let ng = plant.inspect(11, true);
    judge(&plant, ng["id"].as_str().unwrap(), "ng");
    // The labelled part of lot 1, inspected.
    let labelled = plant.inspect(101, false);
    judge(&plant, labelled["id"].as_str().unwrap(), "ok");
    success(plant.ask(
        "PUT",
        "/v1/lines/other",
        &json!({"references": [base64(&picture(1, false))], "resolution": FEW_PIXELS}),
    ));
    let good = plant.inspect(12, false);
    judge(&plant, good["id"].as_str().unwrap(), "ok");
    let add = |path: &str, body: &Value| failure(plant.ask("POST", path, body));
    let here = "/v1/lines/board/references";
    for (path, body, status, param) in [
        (
            here,
            json!({"inspections": [good["id"], unsaid["id"]]}),
            400,
            "inspections[1]",
        ),
        (
            here,
            json!({"inspections": [ng["id"]]}),
            400,
            "inspections[0]",
        ),
        (
            here,
            json!({"inspections": [labelled["id"]]}),
            400,
            "inspections[0]",
        ),
        (
            here,
            json!({"inspections": ["nobody"]}),
            404,
            "inspections[0]",
        ),
        (
            here,
            json!({"inspections": ["no\u{0}body"]}),
            404,
            "inspections[0]",
        ),
        (here, json!({"inspections": []}), 400, "inspections"),
        (
            here,
            json!({"inspections": vec!["x"; 17]}),
            400,
            "inspections",
        ),
        (
            here,
            json!({"inspections": [good["id"]], "limit": 0}),
            400,
            "limit",
        ),
        (
            "/v1/lines/other/references",
            json!({"inspections": [good["id"]]}),
            400,
            "inspections[0]",
        ),
    ] {
        let wrong = add(path, &body);
        assert_eq!(
            (wrong.0, wrong.2.as_deref()),
            (status, Some(param)),
            "{body} {wrong:?}"
        );
    }
    let image = format!("/v1/inspections/{}/image", good["id"].as_str().unwrap());
    success(plant.ask("DELETE", &image, &Value::Null));
    let wrong = add(here, &json!({"inspections": [good["id"]]}));
    assert_eq!((wrong.0, wrong.2.as_deref()), (410, Some("inspections[0]")));
    // Nothing was made of any of them.
    let line = success(plant.of_line("GET", "", &Value::Null));
    assert_eq!(
        (&line["version"], &line["reference"]),
        (&json!(1), &json!("line.board"))
    );
    // A labelled part stays one when another model decides, which has not scored it yet.
    success(plant.of_line("PUT", "", &json!({"model": SMALL, "audit": 0.0})));
    let wrong = add(here, &json!({"inspections": [labelled["id"]]}));
    assert_eq!((wrong.0, wrong.2.as_deref()), (400, Some("inspections[0]")));
}
