//! SIGHUP: keys, certificate and label sets are read again, and invalid ones change nothing.

use crate::support::server;
use crate::support::server::certificates::Authority;
use crate::support::server::{Server, success};
use reqwest::Certificate;
use serde_json::{Value, json};

const KEY: &str = "line-key-0123456789abcdef";

#[test]
fn sighup_reloads_everything() {
    let folder = tempfile::tempdir().unwrap();
    let (sets, keys) = (
        folder.path().join("labelsets"),
        folder.path().join("keys.toml"),
    );
    std::fs::write(
        &keys,
        format!("[[key]]\nname = \"line\"\nkey = \"{KEY}\"\n"),
    )
    .unwrap();
    let authority = Authority::new();
    let [certificate, key] = authority.pair().write(folder.path());
    let paths = [folder.path(), &keys, &certificate, &key].map(|path| path.to_str().unwrap());
    let mut server = Server::start_with(&[
        "--state",
        paths[0],
        "--api-keys-file",
        paths[1],
        "--tls-cert",
        paths[2],
        "--tls-key",
        paths[3],
    ]);
    let root = Certificate::from_pem(authority.pem().as_bytes()).unwrap();
    let mut headers = reqwest::header::HeaderMap::new();
    headers.insert("x-api-key", KEY.parse().unwrap());
    let client = server::client()
        .tls_certs_only([root])
        .default_headers(headers);
    server.client = client.build().unwrap();

    for name in ["kept", "taken"] {
        put(&server, name, "a red bolt");
    }
    // Another program adds a set, changes one and removes one.
    std::fs::copy(sets.join("kept.json"), sets.join("brought.json")).unwrap();
    std::fs::remove_file(sets.join("taken.json")).unwrap();
    assert_eq!(names(&server), ["kept", "taken"]);
    server.hang_up();
    let log = server.log_with("label sets reloaded");
    assert_eq!(names(&server), ["brought", "kept"]);
    let line = |text: &str| {
        let found = log.lines().find(|line| line.contains(text));
        found
            .unwrap_or_else(|| panic!("no {text:?} in {log}"))
            .to_owned()
    };
    let counts = line("label sets reloaded");
    for count in ["new=1", "changed=0", "removed=1", "all=2"] {
        assert!(counts.contains(count), "{counts}");
    }
    // Their files are unchanged, so only the signal can be the reason.
    assert!(line("API keys reloaded").contains("keys=1"));
    line("certificate reloaded");
    classify(&server, "brought", "a red bolt");

    // A changed set.
    let text = std::fs::read_to_string(sets.join("brought.json")).unwrap();
    let mut stored: Value = serde_json::from_str(&text).unwrap();
    stored["definition"]["labels"][0]["label"] = json!("a blue mug");
    stored["embedded"] = Value::Null;
    std::fs::write(sets.join("brought.json"), stored.to_string()).unwrap();
    server.hang_up();
    server.log_with("changed=1");
    classify(&server, "brought", "a blue mug");

    // An invalid set and an invalid key: everything stays.
    std::fs::write(sets.join("broken.json"), "{").unwrap();
    std::fs::remove_file(sets.join("kept.json")).unwrap();
    std::fs::write(&keys, "[[key]]\nname = \"line\"\nkey = \"short\"\n").unwrap();
    server.hang_up();
    let log = server.log_with("label sets not reloaded");
    assert!(log.contains("broken.json"), "{log}");
    server.log_with("API keys not reloaded");
    assert_eq!(names(&server), ["brought", "kept"]);
    classify(&server, "kept", "a red bolt");
}

fn put(server: &Server, name: &str, label: &str) {
    let request = server
        .client
        .put(format!("{}/v1/labelsets/{name}", server.url));
    let definition = json!({"labels": [label, "a plate with a scratch"]});
    success(request.json(&definition).send().unwrap());
}

fn names(server: &Server) -> Vec<String> {
    let answer = success(server.get("/v1/labelsets"));
    let sets = answer["data"].as_array().unwrap();
    sets.iter()
        .map(|set| set["name"].as_str().unwrap().to_owned())
        .collect()
}

/// The set answers, and this is one of its labels.
fn classify(server: &Server, set: &str, label: &str) {
    let image = server::fixture("420-large.jpg");
    let path = format!("/v1/classify?labelset={set}");
    let answer = success(server.post_bytes(&path, "image/jpeg", image));
    let labels = answer["results"][0]["labels"].as_array().unwrap();
    assert!(
        labels.iter().any(|found| found["label"] == label),
        "{answer}"
    );
}
