//! Two servers with one PostgreSQL: what one of them takes, the other one has soon, without a restart.

use std::path::Path;

use reqwest::blocking::Response;
use serde_json::{Value, json};

use crate::support::parts::{FEW_PIXELS, Shot, png};
use crate::support::postgres::Postgres;
use crate::support::server::models::wait_for;
use crate::support::server::{Server, base64, failure, success};

fn start(state: &Path, postgres: &Postgres) -> Server {
    let (state, url) = (state.to_str().unwrap(), postgres.url());
    Server::start_with(&["--state", state, "--workers", "1", "--database", &url])
}

fn put(server: &Server, path: &str, body: &Value) -> Value {
    let url = format!("{}{path}", server.url);
    success(server.client.put(url).json(body).send().unwrap())
}

fn delete(server: &Server, path: &str) {
    let url = format!("{}{path}", server.url);
    success(server.client.delete(url).send().unwrap());
}

fn inspect(server: &Server, image: &[u8]) -> Response {
    server.post_bytes("/v1/lines/board/inspections", "image/png", image.to_vec())
}

fn picture(seed: u64) -> Vec<u8> {
    png(Shot::on_a_line(seed, false))
}

#[test]
fn what_one_server_takes_the_other_one_has_soon() {
    let Some(postgres) = Postgres::start() else {
        return;
    };
    let (one, two) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    // From before it had a database.
    let before = Server::start_with(&["--state", one.path().to_str().unwrap()]);
    put(&before, "/v1/labelsets/old", &json!({"labels": ["old"]}));
    drop(before);
    let a = start(one.path(), &postgres);
    assert!(one.path().join("labelsets.moved/old.json").exists());
    let b = start(two.path(), &postgres);
    success(b.get("/v1/labelsets/old"));

    put(
        &a,
        "/v1/labelsets/bolts",
        &json!({"labels": ["good", "bad"]}),
    );
    wait_for("the label set", || {
        b.get("/v1/labelsets/bolts").status() == 200
    });
    let scored = b.post_bytes("/v1/classify?labelset=bolts", "image/png", picture(1));
    assert_eq!(success(scored)["labelset"], "bolts");
    delete(&b, "/v1/labelsets/bolts");
    wait_for("its end", || a.get("/v1/labelsets/bolts").status() == 404);

    let images = |seeds: std::ops::Range<u64>| -> Vec<String> {
        seeds.map(|seed| base64(&picture(seed))).collect()
    };
    put(&a, "/v1/references/board", &json!({"images": images(1..3)}));
    wait_for("the reference", || {
        b.get("/v1/references/board").status() == 200
    });
    let added = b.post(
        "/v1/references/board/images",
        &json!({"images": images(3..5)}),
    );
    let added = success(added);
    assert_eq!(
        (&added["version"], &added["images"]),
        (&json!(2), &json!(4))
    );
    // The first server adds to what the second one has, which it may not have seen yet.
    let added = a.post(
        "/v1/references/board/images",
        &json!({"images": images(5..6)}),
    );
    let added = success(added);
    assert_eq!(
        (&added["version"], &added["images"]),
        (&json!(3), &json!(5))
    );

    put(&a, "/v1/lines/board", &json!({"reference": "board"}));
    wait_for("the reference's version", || {
        success(b.get("/v1/references/board"))["version"] == 3
    });
    let first = success(inspect(&b, &picture(7)));
    assert_eq!(first["version"], 1);
    put(
        &a,
        "/v1/lines/board",
        &json!({"reference": "board", "audit": 0.5}),
    );
    wait_for("the line's version", || {
        success(inspect(&b, &picture(8)))["version"] == 2
    });
    delete(&a, "/v1/lines/board");
    wait_for("the line's end", || {
        inspect(&b, &picture(9)).status() == 404
    });
    // The other server decided it and has its image; what was decided is in the database of both.
    let id = first["id"].as_str().unwrap();
    assert_eq!(success(a.get(&format!("/v1/inspections/{id}")))["id"], id);
    let missing = failure(a.get(&format!("/v1/inspections/{id}/image")));
    assert_eq!(missing.1, "image_deleted");
}

#[test]
fn images_in_a_common_place_are_there_for_every_server() {
    let Some(postgres) = Postgres::start() else {
        return;
    };
    let (one, two, images) = (
        tempfile::tempdir().unwrap(),
        tempfile::tempdir().unwrap(),
        tempfile::tempdir().unwrap(),
    );
    let start = |state: &Path| {
        let (state, url) = (state.to_str().unwrap(), postgres.url());
        let images = images.path().join("of inspections");
        Server::start_with(&[
            "--state",
            state,
            "--database",
            &url,
            "--inspection-images",
            images.to_str().unwrap(),
        ])
    };
    let (a, b) = (start(one.path()), start(two.path()));
    let reference = json!({"references": [base64(&picture(1))], "resolution": FEW_PIXELS});
    put(&a, "/v1/lines/board", &reference);
    wait_for("the line", || b.get("/v1/lines/board").status() == 200);
    let part = picture(2);
    let answer = success(inspect(&a, &part));
    let image = format!("/v1/inspections/{}/image", answer["id"].as_str().unwrap());
    assert_eq!(b.get(&image).bytes().unwrap(), part);
    delete(&b, &image);
    assert_eq!(failure(a.get(&image)).1, "image_deleted");
}
