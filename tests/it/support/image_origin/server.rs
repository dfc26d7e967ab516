//! The server under test with settings for fetching.

use std::process::Command;

use serde_json::{Value, json};

use super::Origin;
use crate::support::server::certificates::Authority;
use crate::support::server::{Server, demo, fixture, program};

pub const PICTURE: &str = "420-large.jpg";

pub fn origin() -> Origin {
    Origin::start(fixture(PICTURE))
}

/// A server that fetches from these hosts and trusts only the authority.
pub fn launch(
    hosts: &[String],
    authority: &Authority,
    change: impl FnOnce(&mut Command),
) -> Server {
    let certificates = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(certificates.path(), authority.pem()).unwrap();
    let mut command = program();
    command
        .args(["serve", "--listen", "127.0.0.1:0", "--model"])
        .arg(demo());
    command.args(["--image-url-hosts", &hosts.join(",")]);
    // A test must not depend on the machine's certificates.
    command
        .env("SSL_CERT_FILE", certificates.path())
        .env_remove("SSL_CERT_DIR");
    change(&mut command);
    Server::launch(&mut command)
}

/// As above; the hosts may be on this machine.
pub fn server(hosts: &[String], arguments: &[&str]) -> Server {
    launch(hosts, &Authority::new(), |command| {
        command
            .args(["--image-url-networks", "127.0.0.1/32"])
            .args(arguments);
    })
}

pub fn of(origin: &Origin) -> String {
    format!("127.0.0.1:{}", origin.port)
}

pub fn image(text: &str) -> Value {
    json!({"image": text})
}

pub fn fetches(server: &Server, result: &str) -> f64 {
    server.metric(&format!(
        "clip_in_image_url_fetches_total{{result=\"{result}\"}}"
    ))
}
