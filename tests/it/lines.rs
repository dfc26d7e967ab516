//! Inspection lines with drawn parts and the demo model: from nothing to decisions, over HTTP.

use std::path::Path;

use reqwest::blocking::Response;
use reqwest::blocking::multipart::{Form, Part};
use serde_json::{Value, json};

use crate::support::parts::{FEW_PIXELS, Shot, png};
use crate::support::server::{Server, base64, failure, success};

fn picture(seed: u64, scratched: bool) -> Vec<u8> {
    png(Shot::on_a_line(seed, scratched))
}

fn start(state: &Path) -> Server {
    Server::start_with(&["--state", state.to_str().unwrap()])
}

fn put(server: &Server, line: &str, body: &Value) -> Response {
    let url = format!("{}/v1/lines/{line}", server.url);
    server.client.put(url).json(body).send().unwrap()
}

fn delete(server: &Server, path: &str) -> Response {
    server
        .client
        .delete(format!("{}{path}", server.url))
        .send()
        .unwrap()
}

fn references(count: u64) -> Vec<String> {
    (1..=count)
        .map(|seed| base64(&picture(seed, false)))
        .collect()
}

fn inspect(server: &Server, query: &str, image: Vec<u8>) -> Value {
    let path = format!("/v1/lines/board/inspections{query}");
    success(server.post_bytes(&path, "image/png", image))
}

fn calibrations(server: &Server, body: &Value) -> Response {
    server.post("/v1/lines/board/calibrations", body)
}

/// Labelled parts, each of its own lot.
fn labelled(seeds: std::ops::Range<u64>, scratched: bool) -> Vec<Value> {
    let class = if scratched { "ng" } else { "ok" };
    let part = |seed| json!({"lot": format!("{class} {seed}"), "class": class, "images": [base64(&picture(seed, scratched))]});
    seeds.map(part).collect()
}

/// Calibrates a line whose promise allows one in ten.
fn calibrated(server: &Server) -> Value {
    let promise = json!({"escape": 0.1, "overkill": 0.1, "delta": 0.1});
    let body = json!({"references": references(4), "resolution": FEW_PIXELS, "promise": promise, "defect_rate": 0.01});
    assert_eq!(put(server, "board", &body).status(), 201);
    for (seeds, scratched) in [
        (100..130, false),
        (130..160, false),
        (200..230, true),
        (230..260, true),
    ] {
        let body = json!({"declared": "all of lots 100 to 259", "parts": labelled(seeds, scratched), "calibrate": false});
        let added = success(calibrations(server, &body));
        assert_eq!(added["added"], 30);
    }
    success(calibrations(server, &json!({})))
}

#[test]
fn from_nothing_to_decisions() {
    let state = tempfile::tempdir().unwrap();
    let server = start(state.path());
    assert_eq!(success(server.get("/v1/lines"))["data"], json!([]));
    // A server without lines writes nothing.
    assert!(!state.path().join("reviews.sqlite").exists());
    let missing = failure(server.get("/v1/lines/board"));
    assert_eq!(
        missing,
        (404, "line_not_found".to_owned(), Some("line".to_owned()))
    );
    let nothing = failure(put(&server, "board", &json!({})));
    assert_eq!((nothing.0, nothing.1.as_str()), (400, "no_reference"));

    let report = calibrated(&server);
    assert_eq!(report["escape"]["state"], "holds", "{report}");
    assert_eq!(report["overkill"]["state"], "holds", "{report}");
    assert!(report["escape"]["bound"].as_f64().unwrap() <= 0.1);
    assert_eq!(report["declared"][0]["parts"], 120);
    let all: u64 = ["calibrate", "held_out"]
        .iter()
        .map(|set| report["parts"][set]["ng"].as_u64().unwrap())
        .sum();
    assert_eq!(all, 60);
    assert!(
        report["consequences"]["review"].as_f64().unwrap() < 0.5,
        "{report}"
    );
    let line = success(server.get("/v1/lines/board"));
    assert_eq!(
        (&line["state"], &line["version"]),
        (&json!("calibrated"), &json!(1))
    );
    assert_eq!(line["calibration"]["id"], report["id"]);

    let decisions = |scratched: bool| -> Vec<String> {
        let seeds = if scratched { 400..408 } else { 300..308 };
        seeds
            .map(|seed| inspect(&server, "?lot=9", picture(seed, scratched)))
            .map(|answer| answer["decision"].as_str().unwrap().to_owned())
            .collect()
    };
    let (good, bad) = (decisions(false), decisions(true));
    let count = |of: &[String], wanted: &str| of.iter().filter(|one| *one == wanted).count();
    assert!(
        count(&good, "ok") >= 5 && count(&good, "ng") <= 2,
        "{good:?}"
    );
    assert!(count(&bad, "ng") >= 5 && count(&bad, "ok") <= 2, "{bad:?}");

    // A lamp that is half as bright, a part that lies otherwise, and a picture of another shape.
    let dark = inspect(
        &server,
        "",
        png(Shot {
            light: 0.5,
            ..Shot::on_a_line(500, false)
        }),
    );
    assert_eq!(
        (&dark["decision"], &dark["reasons"][0]),
        (&json!("review"), &json!("camera"))
    );
    let turned = inspect(
        &server,
        "",
        png(Shot {
            turned: 25.0,
            ..Shot::on_a_line(501, false)
        }),
    );
    assert_eq!(turned["decision"], "review");
    assert!(
        turned["reasons"]
            .as_array()
            .unwrap()
            .contains(&json!("pose")),
        "{turned}"
    );
    let drawn = crate::support::parts::drawn(Shot::on_a_line(502, false));
    let strip = image::imageops::crop_imm(&drawn, 0, 0, 360, 200).to_image();
    let strip = inspect(&server, "", crate::support::parts::encode(&strip));
    assert_eq!(
        (&strip["reasons"], &strip["score"]),
        (&json!(["camera"]), &Value::Null)
    );

    // Gaps between trigger numbers.
    for (number, missed) in [(7, 0), (8, 0), (12, 3)] {
        let answer = inspect(
            &server,
            &format!("?trigger={number}&station=left"),
            picture(300, false),
        );
        assert_eq!(answer["missed_triggers"], missed);
    }
    let metric = |name: &str| server.metric(name);
    assert_eq!(
        metric("clip_in_line_missed_triggers_total{line=\"board\"}"),
        3.0
    );
    let stored = metric("clip_in_line_inspections_total{decision=\"review\",line=\"board\"}");
    assert!(stored >= 3.0);

    what_the_line_reviewed_cannot_calibrate_it(&server);
    a_restart_keeps_everything(server, state.path(), &report);
}

fn what_the_line_reviewed_cannot_calibrate_it(server: &Server) {
    let parts = json!([{"lot": "1", "class": "ok", "images": [base64(&png(Shot { light: 0.5, ..Shot::on_a_line(500, false) }))]}]);
    let body = json!({"declared": "what was in the queue", "parts": parts});
    let (status, code, param) = failure(calibrations(server, &body));
    assert_eq!((status, code.as_str()), (422, "label_from_review"));
    assert_eq!(param.as_deref(), Some("parts[0]"));
    let by_id =
        json!({"declared": "by id", "parts": [{"lot": "1", "class": "ok", "inspection": "x"}]});
    let (status, code, _) = failure(calibrations(server, &by_id));
    assert_eq!((status, code.as_str()), (422, "label_from_review"));
    let undeclared = json!({"parts": labelled(700..701, false)});
    let (status, _, param) = failure(calibrations(server, &undeclared));
    assert_eq!((status, param.as_deref()), (400, Some("declared")));
}

fn a_restart_keeps_everything(server: Server, state: &Path, report: &Value) {
    let page = success(server.get("/v1/lines/board/inspections?limit=200"));
    let before: Vec<_> = page["data"].as_array().unwrap().clone();
    assert_eq!(before.len(), 22);
    drop(server);
    let server = start(state);
    let page = success(server.get("/v1/lines/board/inspections?limit=200"));
    assert_eq!(page["data"].as_array().unwrap(), &before);
    let answer = inspect(&server, "?trigger=14&station=left", picture(300, false));
    assert_eq!(answer["calibration"], report["id"]);
    assert_eq!(answer["missed_triggers"], 1);
    // Another version is not calibrated; its parts are still there.
    let body = json!({"promise": {"escape": 0.001, "overkill": 0.1, "delta": 0.1}});
    let line = success(put(&server, "board", &body));
    assert_eq!(
        (&line["version"], &line["state"]),
        (&json!(2), &json!("not calibrated"))
    );
    assert_eq!(line["parts"], json!({"ok": 60, "ng": 60, "left_out": 0}));
    let answer = inspect(&server, "", picture(300, false));
    assert_eq!(answer["reasons"], json!(["not calibrated"]));
    let report = success(calibrations(&server, &json!({})));
    assert_eq!(report["escape"]["state"], "infeasible");
    assert_eq!(report["escape"]["needs"], 2995);
    assert_eq!(report["thresholds"]["ok_below"], Value::Null);
    let answer = inspect(&server, "", picture(300, false));
    assert_eq!(
        answer["decision"], "review",
        "no threshold for OK, and yet {answer}"
    );
}

/// A line that nobody has calibrated.
fn uncalibrated(server: &Server) {
    let body = json!({"references": references(1), "resolution": FEW_PIXELS, "statements": [{"text": "a scratch", "kind": "scratch"}]});
    assert_eq!(put(server, "board", &body).status(), 201);
}

#[test]
fn verdicts_are_undone_and_images_go_without_their_rows() {
    let server = Server::start();
    uncalibrated(&server);
    let image = picture(20, true);
    let answer = inspect(&server, "?part=7", image.clone());
    assert_eq!(answer["reasons"], json!(["not calibrated"]));
    assert_eq!(
        (&answer["p_ok"], &answer["calibration"]),
        (&Value::Null, &Value::Null)
    );
    assert!(answer["score"].is_number() && !answer["regions"].as_array().unwrap().is_empty());
    assert_eq!(answer["statements"][0]["kind"], "scratch");
    let id = answer["id"].as_str().unwrap();
    let path = format!("/v1/inspections/{id}");
    let kept = server.get(&format!("{path}/image"));
    assert_eq!(kept.headers()["content-type"], "image/png");
    assert_eq!(kept.bytes().unwrap(), image);
    assert_eq!(failure(server.get(&format!("{path}/image?view=1"))).0, 404);

    let waiting = "/v1/lines/board/inspections?decision=review&verdict=none";
    assert_eq!(success(server.get(waiting))["data"][0]["id"], id);
    let verdict =
        json!({"verdict": "ng", "kind": "scratch", "caption": "a scratch beside the chip"});
    success(server.post(&format!("{path}/verdict"), &verdict));
    let again = failure(server.post(&format!("{path}/verdict"), &json!({"verdict": "ok"})));
    assert_eq!((again.0, again.1.as_str()), (409, "verdict_exists"));
    assert_eq!(success(server.get(waiting))["data"], json!([]));
    success(delete(&server, &format!("{path}/verdict")));
    assert_eq!(
        failure(delete(&server, &format!("{path}/verdict"))).1,
        "no_verdict"
    );
    success(server.post(&format!("{path}/verdict"), &json!({"verdict": "ok"})));
    let stored = success(server.get(&path));
    let said: Vec<_> = stored["verdicts"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| &one["verdict"])
        .collect();
    assert_eq!(said, ["ng", "undone", "ok"]);
    assert_eq!(
        (&stored["verdict"], &stored["score"]),
        (&json!("ok"), &answer["score"])
    );

    assert_eq!(
        success(delete(&server, &format!("{path}/image")))["images"],
        1
    );
    assert_eq!(
        failure(server.get(&format!("{path}/image"))).1,
        "image_deleted"
    );
    assert_eq!(success(server.get(&path))["verdict"], "ok");
    success(delete(&server, "/v1/lines/board"));
    assert_eq!(success(server.get(&path))["line"], "board");
    assert_eq!(
        failure(server.get("/v1/inspections/nothing")).1,
        "inspection_not_found"
    );
}

#[test]
fn the_map_of_an_inspection_is_that_of_the_comparison_until_the_reference_changes() {
    let server = Server::start();
    uncalibrated(&server);
    let image = picture(20, true);
    let answer = inspect(&server, "", image.clone());
    let url = answer["map_url"].as_str().unwrap();
    assert_eq!(
        url,
        format!("/v1/inspections/{}/map", answer["id"].as_str().unwrap())
    );
    for kind in ["overlay", "colours", "values"] {
        let compare = format!("{}/v1/compare?reference=line.board&map={kind}", server.url);
        let compared = server.client.post(compare).header("accept", "image/png");
        let compared = compared
            .header("content-type", "image/png")
            .body(image.clone())
            .send()
            .unwrap();
        let drawn = server.get(&format!("{url}?map={kind}"));
        assert_eq!(drawn.headers()["content-type"], "image/png");
        assert_eq!(drawn.bytes().unwrap(), compared.bytes().unwrap(), "{kind}");
    }
    let usual = server.get(url).bytes().unwrap();
    assert_eq!(
        usual,
        server.get(&format!("{url}?map=overlay")).bytes().unwrap()
    );
    assert_eq!(failure(server.get(&format!("{url}?view=1"))).0, 404);
    for wrong in ["view=x", "map=heat", "map=true", "view=300"] {
        assert_eq!(
            failure(server.get(&format!("{url}?{wrong}"))).0,
            400,
            "{wrong}"
        );
    }
    let unknown = failure(server.get("/v1/inspections/nothing/map"));
    assert_eq!(unknown.1, "inspection_not_found");
    // A picture of another shape was not compared.
    let drawn = crate::support::parts::drawn(Shot::on_a_line(502, false));
    let strip = image::imageops::crop_imm(&drawn, 0, 0, 360, 200).to_image();
    let strip = inspect(&server, "", crate::support::parts::encode(&strip));
    assert_eq!(strip["map_url"], Value::Null);

    success(put(
        &server,
        "board",
        &json!({"references": references(2), "resolution": FEW_PIXELS}),
    ));
    let (status, code, _) = failure(server.get(url));
    assert_eq!((status, code.as_str()), (409, "reference_changed"));
    success(delete(&server, "/v1/lines/board"));
    assert_eq!(failure(server.get(url)).1, "reference_changed");
}

#[test]
fn a_key_is_one_inspection_and_pages_have_each_once() {
    let server = Server::start();
    uncalibrated(&server);
    let url = format!("{}/v1/lines/board/inspections", server.url);
    let with_key = |key: &str, image: Vec<u8>| {
        let request = server.client.post(&url).header("idempotency-key", key);
        request
            .header("content-type", "image/png")
            .body(image)
            .send()
            .unwrap()
    };
    let first = success(with_key("a", picture(20, false)));
    let mut second = success(with_key("a", picture(20, false)));
    assert_eq!(
        (&first["duplicate"], &second["duplicate"]),
        (&json!(false), &json!(true))
    );
    second["duplicate"] = json!(false);
    assert_eq!(first, second);
    let other = failure(with_key("a", picture(21, false)));
    assert_eq!((other.0, other.1.as_str()), (409, "idempotency_key_reused"));

    // Two views of a part: the higher score counts.
    let view = |scratched: bool| Part::bytes(picture(22, scratched)).file_name("a.png");
    let form = Form::new()
        .text("part", "9")
        .part("image", view(false))
        .part("image", view(true));
    let views = success(server.client.post(&url).multipart(form).send().unwrap());
    let only = inspect(&server, "", picture(22, true));
    assert_eq!(
        (&views["images"], &views["score"]),
        (&json!(2), &only["score"])
    );
    assert!(
        views["regions"]
            .as_array()
            .unwrap()
            .iter()
            .any(|region| region["image"] == 1)
    );

    let mut found = Vec::new();
    let mut after = String::new();
    loop {
        let page = success(server.get(&format!("/v1/lines/board/inspections?limit=2{after}")));
        found.extend(
            page["data"]
                .as_array()
                .unwrap()
                .iter()
                .map(|one| one["id"].clone()),
        );
        match page["next"].as_str() {
            Some(next) => after = format!("&after={next}"),
            None => break,
        }
    }
    assert_eq!(found, [&first, &views, &only].map(|it| it["id"].clone()));
    for wrong in ["limit=0", "limit=201", "decision=maybe"] {
        let error = failure(server.get(&format!("/v1/lines/board/inspections?{wrong}")));
        assert_eq!(
            (error.0, error.1.as_str()),
            (400, "invalid_query"),
            "{wrong}"
        );
    }
}

#[test]
fn each_key_does_what_its_roles_allow() {
    let keys = tempfile::NamedTempFile::new().unwrap();
    let entry = |name: &str, roles: &str| {
        format!("[[key]]\nname = \"{name}\"\nkey = \"{name}-key-0123456789\"\n{roles}\n")
    };
    let text = [
        entry("plain", ""),
        entry("camera", "roles = [\"inspect\"]"),
        entry("person", "roles = [\"review\"]"),
        entry("engineer", "roles = [\"calibrate\", \"admin\"]"),
    ];
    std::fs::write(keys.path(), text.concat()).unwrap();
    let server = Server::start_with(&["--api-keys-file", keys.path().to_str().unwrap()]);
    let ask = |who: &str, method: &str, path: &str, body: &Value| {
        let method = method.parse().unwrap();
        let request = server
            .client
            .request(method, format!("{}{path}", server.url));
        request
            .header("x-api-key", format!("{who}-key-0123456789"))
            .json(body)
            .send()
            .unwrap()
    };
    let line = json!({"references": references(1), "resolution": FEW_PIXELS});
    for who in ["plain", "camera", "person"] {
        let (status, code, _) = failure(ask(who, "PUT", "/v1/lines/board", &line));
        assert_eq!((status, code.as_str()), (403, "role_missing"), "{who}");
    }
    success(ask("engineer", "PUT", "/v1/lines/board", &line));
    let url = format!("{}/v1/lines/board/inspections", server.url);
    let camera = |who: &str| {
        let request = server
            .client
            .post(&url)
            .header("x-api-key", format!("{who}-key-0123456789"));
        request
            .header("content-type", "image/png")
            .body(picture(20, false))
            .send()
            .unwrap()
    };
    assert_eq!(failure(camera("person")).0, 403);
    let answer = success(camera("camera"));
    let verdict = format!("/v1/inspections/{}/verdict", answer["id"].as_str().unwrap());
    assert_eq!(
        failure(ask("camera", "POST", &verdict, &json!({"verdict": "ok"}))).0,
        403
    );
    let said = success(ask("person", "POST", &verdict, &json!({"verdict": "ok"})));
    assert_eq!(said["who"], "person");
    let parts = json!({"declared": "lot 1", "parts": labelled(30..31, false), "calibrate": false});
    for who in ["plain", "camera", "person"] {
        assert_eq!(
            failure(ask(who, "POST", "/v1/lines/board/calibrations", &parts)).0,
            403,
            "{who}"
        );
    }
    success(ask(
        "engineer",
        "POST",
        "/v1/lines/board/calibrations",
        &parts,
    ));
    // Whoever has a role may look; a key without one has the rights that it had before there were lines.
    success(ask("camera", "GET", "/v1/lines/board", &Value::Null));
    assert_eq!(
        failure(ask("plain", "GET", "/v1/lines", &Value::Null)).0,
        403
    );
    success(ask(
        "plain",
        "POST",
        "/v1/embeddings",
        &json!({"input": "a bolt"}),
    ));
}
