//! Access to the admin routes, and the folder of the models.

use crate::support::server::models::{DEMO, delete, load, named, names, serve, with_admin};
use crate::support::server::{Server, demo, failure, program, success};
use serde_json::json;

#[test]
fn admin_routes_are_off_by_default() {
    let root = tempfile::tempdir().unwrap();
    named(&root.path().join("guest"), "guest");
    let path = root.path().display().to_string();
    let server = Server::start_with(&["--workers", "1", "--models-root", &path]);
    assert_eq!(failure(load(&server, "guest")).1, "not_found");
    assert_eq!(
        failure(delete(&server, "/v1/admin/models/guest")).1,
        "not_found"
    );
}

#[test]
fn admin_routes_are_not_available_to_other_machines() {
    let root = tempfile::tempdir().unwrap();
    let path = root.path().display().to_string();
    let refused = |arguments: &[&str], token: Option<&str>| {
        let mut command = program();
        command
            .arg("serve")
            .arg("--model")
            .arg(demo())
            .args(arguments);
        if let Some(token) = token {
            command.env("CLIP_IN_ADMIN_TOKEN", token);
        }
        let output = command.output().unwrap();
        assert!(!output.status.success(), "{arguments:?}");
        String::from_utf8_lossy(&output.stderr).into_owned()
    };
    let everywhere = ["--listen", "0.0.0.0:0", "--admin", "--models-root", &path];
    let said = refused(&everywhere, None);
    assert!(
        said.contains("0.0.0.0") && said.contains("CLIP_IN_ADMIN_TOKEN"),
        "{said}"
    );
    let said = refused(&["--listen", "127.0.0.1:0", "--admin"], None);
    assert!(said.contains("--models-root"), "{said}");
    let said = refused(
        &[
            "--listen",
            "127.0.0.1:0",
            "--admin",
            "--models-root",
            "/nowhere",
        ],
        None,
    );
    assert!(said.contains("/nowhere"), "{said}");
    for token in ["", "two words"] {
        let said = refused(&everywhere, Some(token));
        assert!(
            said.contains("CLIP_IN_ADMIN_TOKEN") && !said.contains("two words"),
            "{said}"
        );
    }
}

#[test]
fn a_configured_token_is_required() {
    const TOKEN: &str = "correct-horse-battery";
    let root = tempfile::tempdir().unwrap();
    named(&root.path().join("guest"), "guest");
    let mut command = serve(&[&demo()], &["--workers", "1", "--log", "trace"]);
    command.args(["--admin", "--models-root"]).arg(root.path());
    command.env("CLIP_IN_ADMIN_TOKEN", TOKEN);
    let server = Server::launch(&mut command);
    let ask = |token: Option<&str>| {
        let request = server
            .client
            .post(format!("{}/v1/admin/models", server.url));
        let request = match token {
            Some(token) => request.bearer_auth(token),
            None => request,
        };
        request.json(&json!({"path": "guest"})).send().unwrap()
    };
    for token in [None, Some("wrong"), Some("correct-horse-batterz"), Some("")] {
        let answer = ask(token);
        assert_eq!(answer.headers()["www-authenticate"], "Bearer");
        assert_eq!(failure(answer), (401, "unauthorized".into(), None));
    }
    assert_eq!(
        failure(delete(&server, "/v1/admin/models/guest")).1,
        "unauthorized"
    );
    assert_eq!(success(ask(Some(TOKEN)))["id"], "guest");
    success(server.get("/v1/models"));
    // Another thread reads the log, which has thousands of lines before this one.
    let log = server.log_with("model loaded");
    assert!(!log.contains(TOKEN));
}

#[test]
fn without_a_token_requests_to_another_host_name_are_refused() {
    let root = tempfile::tempdir().unwrap();
    let server = with_admin(&root, &[&demo()], &["--workers", "1"]);
    let request = server
        .client
        .post(format!("{}/v1/admin/models", server.url));
    let request = request
        .header("host", "attacker.example")
        .json(&json!({"path": "guest"}));
    assert_eq!(failure(request.send().unwrap()).1, "host_not_allowed");
}

#[test]
fn nothing_outside_the_root_is_loaded() {
    let folder = tempfile::tempdir().unwrap();
    let root = tempfile::tempdir_in(folder.path()).unwrap();
    let outside = named(&folder.path().join("outside"), "outside");
    std::os::unix::fs::symlink(&outside, root.path().join("link")).unwrap();
    let server = with_admin(&root, &[&demo()], &["--workers", "1"]);
    let absolute = outside.display().to_string();
    for path in [
        "../outside",
        "link",
        &absolute,
        "..",
        ".",
        "",
        "/",
        "link/../../outside",
        "..%2foutside",
    ] {
        let (status, code, param) = failure(load(&server, path));
        let expected = if path.contains('%') {
            (404, "bundle_not_found")
        } else {
            (400, "path_not_allowed")
        };
        assert_eq!(
            ((status, code.as_str()), param.as_deref()),
            (expected, Some("path")),
            "{path}"
        );
    }
    assert_eq!(names(&server), [DEMO]);

    let post = |body: &str, content_type| {
        failure(server.post_bytes("/v1/admin/models", content_type, body.as_bytes().to_vec())).1
    };
    assert_eq!(
        post("{\"path\": \"a\", \"name\": \"b\"}", "application/json"),
        "invalid_request"
    );
    assert_eq!(post("{}", "application/json"), "invalid_request");
    assert_eq!(post("{\"path\": ", "application/json"), "invalid_json");
    // A page of another site can send these without a preflight.
    for content_type in ["text/plain", "image/png"] {
        assert_eq!(
            post("{\"path\": \"a\"}", content_type),
            "unsupported_content_type"
        );
    }
}
