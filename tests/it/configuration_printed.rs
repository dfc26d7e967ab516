//! `clip-in config print`, and the files and pages made from it.

use std::collections::BTreeMap;
use std::path::Path;

use crate::support::server::{Server, success};
use crate::support::settings::{clean, defaults, effective, file, name, run};
use serde_json::json;

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
