//! Several models at once, and models that are loaded and unloaded.

use std::fs;
use std::time::Duration;

use crate::support::server::models::{
    DEMO, answer, bundle, delete, different, load, named, names, question, serve, wait_for,
    with_admin,
};
use crate::support::server::{Server, demo, failure, success};
use serde_json::json;

#[test]
fn each_request_is_answered_by_the_model_it_names() {
    let folder = tempfile::tempdir().unwrap();
    let second = different(folder.path(), "second");
    let server = Server::launch(&mut serve(&[&demo(), &second], &["--workers", "1"]));
    assert_eq!(names(&server), [DEMO, "second"]);
    assert_eq!(server.threads("worker-"), 2, "each has workers of its own");
    let one = success(server.get("/v1/models/second"));
    assert_eq!(
        (&one["id"], &one["default"]),
        (&json!("second"), &json!(false))
    );
    let unknown = (404, "model_not_found".to_owned(), Some("model".to_owned()));
    assert_eq!(failure(server.get("/v1/models/third")), unknown);
    assert_eq!(
        failure(server.post("/v1/similarity", &question(Some("third")))),
        unknown
    );

    let ask = |model| success(server.post("/v1/similarity", &question(model)));
    let (default, demo, second) = (ask(None), ask(Some(DEMO)), ask(Some("second")));
    assert_eq!(
        (&default["model"], &demo["model"]),
        (&json!(DEMO), &json!(DEMO))
    );
    assert_eq!(second["model"], "second");
    assert_eq!(answer(&default), answer(&demo));
    assert!((answer(&second)[1] - 10.0 * answer(&second)[0]).abs() < 1e-3);

    let ready = success(server.get("/readyz"));
    for (i, name) in [DEMO, "second"].into_iter().enumerate() {
        let model = &ready["models"][i];
        assert_eq!(
            (&model["name"], &model["ready"]),
            (&json!(name), &json!(true))
        );
        assert_eq!(
            server.metric(&format!(
                "clip_in_model_info{{device=\"cpu\",model=\"{name}\""
            )),
            1.0
        );
    }
    success(server.get("/samples"));
}

#[test]
fn models_may_be_listed_in_the_environment_and_need_names_of_their_own() {
    let folder = tempfile::tempdir().unwrap();
    let second = named(&folder.path().join("second"), "second");
    let list = format!("{},{}", demo().display(), second.display());
    let server = Server::launch(serve(&[], &["--workers", "1"]).env("CLIP_IN_MODEL", list));
    assert_eq!(names(&server), [DEMO, "second"]);

    let twin = named(&folder.path().join("twin"), "second");
    let output = serve(&[&second, &twin], &[]).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!output.status.success());
    for part in [
        &second.display().to_string(),
        &twin.display().to_string(),
        "both named second",
        "bundle.json",
    ] {
        assert!(said.contains(part), "{said}");
    }
}

#[test]
fn a_model_is_loaded_and_unloaded_and_the_default_stays() {
    let root = tempfile::tempdir().unwrap();
    named(&root.path().join("below/guest"), "guest");
    let mut server = with_admin(&root, &[&demo()], &["--workers", "1"]);
    let described = success(load(&server, "below/guest"));
    assert_eq!(
        (&described["id"], &described["replaced"]),
        (&json!("guest"), &json!(false))
    );
    assert_eq!(names(&server), [DEMO, "guest"]);
    success(server.post("/v1/similarity", &question(Some("guest"))));
    let cached = server.metric("clip_in_text_cache_bytes");
    assert!(cached > 0.0);

    let gone = success(delete(&server, "/v1/admin/models/guest"));
    assert_eq!(
        (&gone["id"], &gone["deleted"]),
        (&json!("guest"), &json!(true))
    );
    let unknown = (404, "model_not_found".to_owned(), Some("model".to_owned()));
    assert_eq!(
        failure(server.post("/v1/similarity", &question(Some("guest")))),
        unknown
    );
    assert_eq!(failure(delete(&server, "/v1/admin/models/guest")), unknown);
    assert_eq!(
        failure(delete(&server, &format!("/v1/admin/models/{DEMO}"))).1,
        "model_is_default"
    );
    wait_for("the end of its workers", || server.threads("worker-") == 1);
    wait_for("the end of its cache", || {
        server.metric("clip_in_text_cache_bytes") < cached
    });
    assert!(
        !server
            .get("/metrics")
            .text()
            .unwrap()
            .contains("model=\"guest\"")
    );
    success(server.post("/v1/similarity", &question(None)));

    success(load(&server, "below/guest"));
    server.terminate();
    let status = server
        .wait(Duration::from_secs(20))
        .expect("the server ends by itself");
    assert!(status.success(), "{status}");
}

#[test]
fn a_bad_bundle_is_refused_while_the_old_model_serves() {
    let root = tempfile::tempdir().unwrap();
    let path = |name: &str| root.path().join(name);
    let server = with_admin(&root, &[&demo()], &["--workers", "2"]);
    let before = answer(&success(server.post("/v1/similarity", &question(None))));

    let damaged = named(&path("damaged"), DEMO);
    fs::write(damaged.join("text.onnx"), "no graph").unwrap();
    bundle(&path("disagrees"), |manifest| {
        manifest["image"]["interpolation"] = json!("bilinear")
    });
    bundle(&path("newer"), |manifest| {
        manifest["format_version"] = json!(99)
    });
    bundle(&path("half"), |manifest| {
        manifest["variants"][0]["precision"] = json!("fp16")
    });
    let no_graph = named(&path("no-graph"), DEMO);
    fs::remove_file(no_graph.join("image.onnx")).unwrap();
    fs::create_dir(path("empty")).unwrap();
    for (name, status, code) in [
        ("damaged", 422, "bundle_checksum_mismatch"),
        ("disagrees", 422, "bundle_golden_mismatch"),
        ("newer", 422, "bundle_manifest_invalid"),
        ("half", 422, "bundle_manifest_invalid"),
        ("no-graph", 422, "bundle_file_unreadable"),
        ("empty", 404, "bundle_not_found"),
        ("nothing", 404, "bundle_not_found"),
    ] {
        let (found, found_code, param) = failure(load(&server, name));
        assert_eq!(
            (found, found_code.as_str(), param.as_deref()),
            (status, code, Some("path")),
            "{name}"
        );
    }
    assert_eq!(names(&server), [DEMO]);
    assert_eq!(
        server.threads("worker-"),
        2,
        "a refused model leaves no worker behind"
    );
    assert_eq!(
        answer(&success(server.post("/v1/similarity", &question(None)))),
        before
    );
    success(server.get("/readyz"));
}
