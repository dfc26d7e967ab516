//! Errors in settings: `clip-in config check`, and `serve`, which says the same.

use std::path::PathBuf;

use crate::support::settings::{clean, effective, file, name, run};
use tempfile::TempDir;

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
