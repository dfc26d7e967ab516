//! Settings by default, file, environment and flag, and `clip-in config`.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use crate::support::server::{Server, failure, program, success};
use serde_json::json;
use tempfile::{NamedTempFile, TempDir};

/// The program, without settings from the environment of the tests.
fn clean(arguments: &[&str]) -> Command {
    let mut command = program();
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("CLIP_IN_") {
            command.env_remove(name);
        }
    }
    command.args(arguments);
    command
}

/// Exit status, standard output, standard error.
fn run(command: &mut Command) -> (i32, String, String) {
    let Output {
        status,
        stdout,
        stderr,
    } = command.output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (status.code().unwrap(), text(stdout), text(stderr))
}

fn file(text: &str) -> NamedTempFile {
    let file = NamedTempFile::new().unwrap();
    std::fs::write(file.path(), text).unwrap();
    file
}

fn name(file: &NamedTempFile) -> &str {
    file.path().to_str().unwrap()
}

fn defaults() -> String {
    let (status, printed, said) = run(&mut clean(&["config", "print", "--defaults"]));
    assert_eq!(status, 0, "{said}");
    printed
}

/// Key → its line in `config print`.
fn effective(command: &mut Command) -> BTreeMap<String, String> {
    let (status, printed, said) = run(command);
    assert_eq!(status, 0, "{said}");
    let lines = printed.lines().filter_map(|line| {
        let line = line.strip_prefix('#').unwrap_or(line);
        line.split_once(" = ").or_else(|| line.split_once(": "))
    });
    lines
        .filter(|(key, _)| !key.contains(' '))
        .map(|(key, value)| (key.to_owned(), value.to_owned()))
        .collect()
}

/// The errors in a file, as reported by `config check`; `serve` must report the same and not start.
fn wrong(text: &str) -> String {
    let file = file(text);
    let (status, printed, said) = run(&mut clean(&["config", "check", name(&file)]));
    assert_eq!((status, printed.as_str()), (1, ""), "{text}: {said}");
    let (status, _, serving) = run(&mut clean(&["serve", "--config", name(&file)]));
    assert_eq!(status, 2, "{text}: {serving}");
    assert_eq!(serving, said, "{text}");
    said.replace(name(&file), "FILE")
}

#[test]
fn the_printed_file_has_every_setting_of_serve() {
    let (_, help, _) = run(&mut clean(&["serve", "--help"]));
    let word = |text: &str| {
        let end = |c: char| !(c.is_ascii_alphanumeric() || c == '-' || c == '_');
        text.split(end).next().unwrap().to_owned()
    };
    let flags: Vec<_> = help
        .lines()
        .filter_map(|line| line.strip_prefix("      --"))
        .map(word)
        .filter(|flag| flag != "config")
        .collect();
    assert!(flags.len() > 40, "{help}");
    let printed = defaults();
    for flag in &flags {
        let key = flag.replace('-', "_");
        let begins = |line: &&str| {
            let line = line.strip_prefix('#').unwrap_or(line);
            line.strip_prefix(&*key)
                .is_some_and(|rest| rest.starts_with([' ', ':']))
        };
        let found: Vec<_> = printed.lines().filter(begins).collect();
        assert_eq!(found.len(), 1, "{key}: {found:?}");
        // A setting's name never changes.
        let environment = format!("CLIP_IN_{}", key.to_uppercase());
        assert!(
            help.contains(&format!("[env: {environment}")),
            "{environment}"
        );
        let stands = |line: &str| word(line.trim_start_matches("# ")) == environment;
        assert!(printed.lines().any(stands), "{environment}");
    }
    for line in [
        "# CLIP_IN_QUEUE; 1 to 1000000",
        "queue = 1024",
        "# CLIP_IN_LOG_FORMAT; text or json",
        "log_format = \"text\"",
        "model = [\"models/demo\"]",
        "#tls_cert = \"FILE\"",
        "#api_keys: only in the environment",
    ] {
        assert!(
            printed.lines().any(|found| found == line),
            "{line}\n{printed}"
        );
    }
}

#[test]
fn the_file_to_install_is_the_printed_one() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy/clip-in.toml");
    let installed = std::fs::read_to_string(path).unwrap();
    assert!(
        installed == defaults(),
        "cargo run -- config print --defaults > deploy/clip-in.toml"
    );
}

#[test]
fn the_page_of_settings_is_the_printed_one() {
    let (status, printed, said) = run(&mut clean(&["config", "reference"]));
    assert_eq!(status, 0, "{said}");
    for line in defaults().lines() {
        let name = line.trim_start_matches('#').split([' ', ':']).next();
        if let Some(key) = name.filter(|_| line.contains(" = ") && !line.starts_with("# ")) {
            assert!(printed.contains(&format!("\n| `{key}` | ")), "{key}");
        }
    }
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/src/reference/settings.md");
    let page = std::fs::read_to_string(path).unwrap();
    assert!(
        page == printed,
        "cargo run -- config reference > docs/src/reference/settings.md"
    );
}

#[test]
fn the_printed_defaults_change_nothing() {
    let printed = file(&defaults());
    let check = run(&mut clean(&["config", "check", name(&printed)]));
    assert_eq!(
        check,
        (0, format!("{}: ok\n", name(&printed)), String::new())
    );
    let without = effective(&mut clean(&["config", "print"]));
    let with = effective(&mut clean(&["config", "print", "--config", name(&printed)]));
    assert_eq!(without["queue"], "1024  # default");
    assert_eq!(with["queue"], "1024  # file");
    let values = |all: BTreeMap<String, String>| -> BTreeMap<_, _> {
        let value = |said: String| said.split("  # ").next().unwrap().to_owned();
        all.into_iter()
            .map(|(key, said)| (key, value(said)))
            .collect()
    };
    assert_eq!(values(with), values(without));

    let arguments = [
        "serve",
        "--config",
        name(&printed),
        "--listen",
        "127.0.0.1:0",
    ];
    let server = Server::launch(&mut clean(&arguments));
    let answer = success(server.post("/v1/embeddings", &json!({"input": "a red bolt"})));
    assert_eq!(answer["data"].as_array().unwrap().len(), 1);
}

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

#[test]
fn errors_in_a_file_have_their_place() {
    for (text, expected) in [
        (
            "[engine]\nqueu = 3",
            "line 2: there is no \"queu\"; did you mean [engine] queue?",
        ),
        (
            "[engine]\nxyzzy = 3",
            "line 2: there is no \"xyzzy\"; `clip-in config print",
        ),
        ("[engine]\n\"\" = 3", "line 2: there is no \"\""),
        (
            "[models]\nqueue = 3",
            "line 2: queue does not belong in [models]; it is [engine] queue",
        ),
        (
            "queue = 3",
            "line 1: queue does not belong before the first table; it is [engine] queue",
        ),
        (
            "[engines]\nqueue = 3",
            "line 1: there is no table [engines]; the tables are server, ",
        ),
        ("engine = 3", "line 1: engine is a table; write [engine]"),
        (
            "[[engine]]\nqueue = 3",
            "line 1: engine is a table; write [engine]",
        ),
        ("[server]\nconfig = \"x\"", "line 2: there is no \"config\""),
        (
            "[engine]\n\nqueue = \"3\"",
            "line 3: [engine] queue: must be a whole number, and is a string",
        ),
        (
            "[engine]\nqueue = 3.5",
            "[engine] queue: must be a whole number, and is a number with a point",
        ),
        (
            "[engine]\nqueue = 0",
            "line 2: [engine] queue: must be 1 to 1000000, and is 0",
        ),
        (
            "[engine]\nworkers = 513",
            "[engine] workers: must be 1 to 512, and is 513",
        ),
        (
            "[engine]\nqueue = 99999999999999999999",
            "[engine] queue: must be 1 to 1000000, and is 99999999999999999999",
        ),
        (
            "[engine]\nbatch_buckets = 1",
            "[engine] batch_buckets: must be true or false, and is a whole number",
        ),
        (
            "[engine]\ndevices = \"cpu\"",
            "[engine] devices: must be a list of strings, in brackets, and is a string",
        ),
        (
            "[engine]\ndevices = [\"cpu\", 1]",
            "[engine] devices: must be a list of strings; one is a whole number",
        ),
        (
            "[engine]\ndevices = []",
            "[engine] devices: must not be empty",
        ),
        (
            "[engine]\ndevices = [\"gpu\"]",
            "[engine] devices: \"gpu\" is not a device",
        ),
        (
            "[engine]\ndevices = [\"cuda:0,cuda:1\"]",
            "[engine] devices: \"cuda:0,cuda:1\" has a comma",
        ),
        (
            "[server]\nlisten = \"here\"",
            "[server] listen: \"here\": invalid socket address",
        ),
        (
            "[labelsets]\nstate = \"\"",
            "[labelsets] state: must not be empty",
        ),
        (
            "[logging]\nlog_format = \"xml\"",
            "[logging] log_format: must be text or json",
        ),
        (
            "[engine]\nqueue = 3\nqueue = 4",
            "line 3: this is not valid TOML: duplicate key",
        ),
        ("[engine\nqueue = 3", "line 1: this is not valid TOML"),
    ] {
        let said = wrong(text);
        assert!(said.starts_with("clip-in: FILE"), "{said}");
        assert!(said.contains(expected), "{text}: {said}");
    }
    let all = wrong("[engine]\nqueue = 0\nqueu = 1\n[limits]\nmax_items = true\n");
    let lines: Vec<_> = all
        .lines()
        .map(|line| line.split(':').next().unwrap())
        .collect();
    assert_eq!(lines, ["clip-in", "FILE, line 3", "FILE, line 5"], "{all}");
}

#[test]
fn check_also_finds_invalid_combinations() {
    let missing = "/nowhere/at/all";
    let text = format!(
        "[server]\ntls_cert = \"a.pem\"\n[access]\napi_keys_file = {missing:?}\ncors_origins = [\"*\"]\n\
         [admin]\nadmin = true\n[engine]\ndevices = [\"cpu\", \"cuda:0\"]\nqueue = 0\n\
         [image_urls]\nimage_url_hosts = [\"http://x/\"]\nimage_url_networks = [\"10.1\"]\n"
    );
    let settings = file(&text);
    let (status, _, said) = run(&mut clean(&["config", "check", name(&settings)]));
    assert_eq!(status, 1, "{said}");
    let said = said.replace(name(&settings), "FILE");
    let expected = [
        "FILE, line 2: [server] tls_cert: --tls-cert and --tls-key: give both or neither",
        "FILE, line 4: [access] api_keys_file: cannot read the API keys in /nowhere/at/all",
        "FILE, line 5: [access] cors_origins: --cors-origins: \"*\" is not an origin",
        "FILE, line 7: [admin] admin: --admin needs --models-root",
        "FILE, line 9: [engine] devices: --devices: give cpu or only GPUs",
        "FILE, line 10: [engine] queue: must be 1 to 1000000, and is 0",
        "FILE, line 12: [image_urls] image_url_hosts: --image-url-hosts: \"http://x/\" is not a host",
        "FILE, line 13: [image_urls] image_url_networks: --image-url-networks: \"10.1\" is not a network",
    ];
    let found: Vec<_> = said.trim_start_matches("clip-in: ").lines().collect();
    assert_eq!(found.len(), expected.len(), "{said}");
    for (found, expected) in found.iter().zip(expected) {
        assert!(found.starts_with(expected), "{found}");
    }
    // An incomplete pair is one error.
    let said = wrong("[server]\ntls_cert = 1\ntls_key = \"key.pem\"\n");
    assert_eq!(said.lines().count(), 1, "{said}");

    // A token can come only from the environment; it is used.
    let settings =
        file("[server]\nlisten = \"0.0.0.0:80\"\n[admin]\nadmin = true\nmodels_root = \"/\"\n");
    let (status, _, said) = run(&mut clean(&["config", "check", name(&settings)]));
    assert!(
        status == 1 && said.contains("CLIP_IN_ADMIN_TOKEN"),
        "{said}"
    );
    let mut check = clean(&["config", "check", name(&settings)]);
    let (status, _, said) = run(check.env("CLIP_IN_ADMIN_TOKEN", "a-token"));
    assert_eq!(status, 0, "{said}");
}

#[test]
fn secrets_are_refused_in_the_file_and_never_shown() {
    let secret = "hush-0123456789abcdef";
    for (key, table) in [("api_keys", "access"), ("admin_token", "admin")] {
        let said = wrong(&format!("[{table}]\n{key} = \"line={secret}\"\n"));
        let environment = format!("CLIP_IN_{}", key.to_uppercase());
        assert!(
            said.contains(&format!("line 2: [{table}] {key}: ")),
            "{said}"
        );
        assert!(
            said.contains(&environment) && !said.contains(secret),
            "{said}"
        );
    }
    for text in [
        format!("[access]\napi_keys = \"{secret}"),
        format!("[access]\napi_keys = {secret}"),
        format!("[access]\napi_keyz = \"{secret}\""),
    ] {
        let said = wrong(&text);
        assert!(!said.contains(secret), "{said}");
    }
    let mut command = clean(&["config", "print"]);
    command.env("CLIP_IN_API_KEYS", format!("line={secret}"));
    command.env("CLIP_IN_ADMIN_TOKEN", secret);
    let found = effective(&mut command);
    assert_eq!(found["api_keys"], "not shown  # environment");
    assert_eq!(found["admin_token"], "not shown  # environment");
    let (_, printed, said) = run(&mut command);
    assert!(
        !printed.contains(secret) && !said.contains(secret),
        "{printed}{said}"
    );
    let (_, printed, _) = run(command.arg("--defaults"));
    assert!(!printed.contains(secret));
}

#[test]
fn a_file_without_settings_is_refused() {
    let folder: TempDir = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    std::fs::write(path("binary"), [0xff; 8]).unwrap();
    std::fs::write(path("large"), "#\n".repeat(1 << 20)).unwrap();
    std::fs::write(path("empty"), "").unwrap();
    std::fs::write(path("marked"), "\u{feff}[engine]\r\nqueue = 3\r\n").unwrap();
    let check = |path: PathBuf| run(&mut clean(&["config", "check", path.to_str().unwrap()]));
    for (name, reason) in [
        ("missing", "cannot be read"),
        ("binary", "cannot be read"),
        ("large", "more than 64 KiB"),
        (".", "cannot be read"),
    ] {
        let (status, _, said) = check(path(name));
        assert!(status == 1 && said.contains(reason), "{name}: {said}");
    }
    for name in ["empty", "marked"] {
        assert_eq!(check(path(name)).0, 0, "{name}");
    }
}
