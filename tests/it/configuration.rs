//! Settings by default, file, environment and flag.

use std::path::Path;

use crate::support::server::{Server, failure};
use crate::support::settings::{clean, effective, file, name, run};
use serde_json::json;

#[test]
fn a_server_uses_its_settings_file() {
    let state = tempfile::tempdir().unwrap();
    let models = Path::new(env!("CARGO_MANIFEST_DIR")).join("models");
    let text = format!(
        "[server]\nlisten = \"127.0.0.1:0\"\n[admin]\nadmin = true\nmodels_root = {models:?}\n\
         [models]\nmodel = [{:?}]\n[limits]\nmax_items = 2\n[engine]\nworkers = 0x1\n",
        models.join("demo")
    );
    let settings = file(&text);
    let mut command = clean(&["serve"]);
    command.env("CLIP_IN_CONFIG", settings.path());
    command.current_dir(state.path());
    let server = Server::launch(&mut command);
    assert!(server.log().contains(name(&settings)), "{}", server.log());
    let body = json!({"input": ["a red bolt", "a blue mug", "a green cogwheel"]});
    let (status, code, _) = failure(server.post("/v1/embeddings", &body));
    assert_eq!((status, code.as_str()), (400, "too_many_items"));
    // The admin routes exist: the error is about the folder.
    let (_, code, _) = failure(server.post("/v1/admin/models", &json!({"path": "nowhere"})));
    assert_eq!(code, "bundle_not_found");
}

#[test]
fn flags_override_the_environment_which_overrides_the_file_which_overrides_defaults() {
    let settings = file("[access]\ncors_origins = [\"of-the-file\"]\n");
    // Incompatible devices end each of these starts, whatever the origins are.
    let said = |file: bool, environment: bool, flag: bool| {
        let mut command = clean(&["serve", "--devices", "cpu,cuda:0"]);
        if file {
            command.args(["--config", name(&settings)]);
        }
        if environment {
            command.env("CLIP_IN_CORS_ORIGINS", "of-the-environment");
        }
        if flag {
            command.args(["--cors-origins", "of-the-flag"]);
        }
        let (status, _, said) = run(&mut command);
        assert_eq!(status, 2, "{said}");
        assert!(said.contains("--devices"), "{said}");
        ["of-the-file", "of-the-environment", "of-the-flag"].map(|value| said.contains(value))
    };
    assert_eq!(said(false, false, false), [false, false, false]);
    assert_eq!(said(true, false, false), [true, false, false]);
    assert_eq!(said(true, true, false), [false, true, false]);
    assert_eq!(said(true, true, true), [false, false, true]);
    assert_eq!(said(true, false, true), [false, false, true]);

    // Both can turn off a switch that the file turns on.
    let settings = file("[admin]\nadmin = true\n");
    let asks_for_a_root = |arguments: &[&str], environment: Option<&str>| {
        let mut command = clean(&[
            "serve",
            "--devices",
            "cpu,cuda:0",
            "--config",
            name(&settings),
        ]);
        command.args(arguments);
        if let Some(value) = environment {
            command.env("CLIP_IN_ADMIN", value);
        }
        let (status, _, said) = run(&mut command);
        assert!(status == 2 && said.contains("--devices"), "{said}");
        said.contains("--models-root")
    };
    assert!(asks_for_a_root(&[], None));
    assert!(!asks_for_a_root(&["--admin=false"], None));
    assert!(!asks_for_a_root(&[], Some("off")));
    assert!(asks_for_a_root(&["--admin"], Some("off")));
}

#[test]
fn print_says_where_each_setting_comes_from() {
    let settings = file("[engine]\nqueue = 5\ndevices = [\"cuda:0\", \"cuda:1\"]\n");
    let mut command = clean(&["config", "print", "--config", name(&settings)]);
    command.env("CLIP_IN_QUEUE", "007");
    command.env("CLIP_IN_ADMIN", "yes");
    command.env("CLIP_IN_IMAGE_URL_HOSTS", "a.example,b.example");
    let found = effective(&mut command);
    assert_eq!(found["queue"], "7  # environment");
    assert_eq!(found["admin"], "true  # environment");
    assert_eq!(
        found["image_url_hosts"],
        "[\"a.example\", \"b.example\"]  # environment"
    );
    assert_eq!(found["devices"], "[\"cuda:0\", \"cuda:1\"]  # file");
    assert_eq!(found["max_items"], "2048  # default");
    assert_eq!(found["workers"], "not set");

    // The printed text is a valid file.
    let (_, printed, _) = run(&mut command);
    let printed = file(&printed);
    let mut again = clean(&["config", "print", "--config", name(&printed)]);
    assert_eq!(effective(&mut again)["queue"], "7  # file");

    let mut command = clean(&["config", "print"]);
    let (status, _, said) = run(command.env("CLIP_IN_QUEUE", "0"));
    assert!(status == 2 && said.contains("--queue"), "{said}");
}
