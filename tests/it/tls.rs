//! HTTPS and gRPC over TLS on one port, with a certificate that is renewed while the server runs.

use crate::support::server;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use crate::support::server::certificates::{Authority, Pair};
use crate::support::server::models::wait_for;
use crate::support::server::{Server, demo, embeddings, program, success};
use reqwest::Certificate;
use reqwest::blocking::Client;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};
use serde_json::json;
use tempfile::TempDir;
use tonic::transport::{Channel, ClientTlsConfig};
use tonic_health::pb::health_client::HealthClient;
use tonic_health::pb::{HealthCheckRequest, health_check_response::ServingStatus};

struct Encrypted {
    server: Server,
    authority: Authority,
    folder: TempDir,
}

impl Encrypted {
    fn start(arguments: &[&str]) -> Self {
        let (authority, folder) = (Authority::new(), tempfile::tempdir().unwrap());
        let [certificate, key] = authority.pair().write(folder.path());
        let mut all = vec!["--tls-cert", certificate.to_str().unwrap()];
        all.extend(["--tls-key", key.to_str().unwrap()]);
        all.extend(arguments);
        let mut server = Server::start_with(&all);
        assert!(server.url.starts_with("https://"), "{}", server.url);
        server.client = trusting(&authority);
        Self {
            server,
            authority,
            folder,
        }
    }

    fn address(&self) -> &str {
        self.server.url.strip_prefix("https://").unwrap()
    }

    fn socket(&self) -> TcpStream {
        let socket = TcpStream::connect(self.address()).unwrap();
        socket
            .set_read_timeout(Some(Duration::from_secs(50)))
            .unwrap();
        socket
    }

    /// Whether a new connection gets a certificate of this authority.
    fn is_of(&self, authority: &Authority) -> bool {
        let answer = trusting(authority)
            .get(format!("{}/healthz", self.server.url))
            .send();
        answer.is_ok_and(|answer| answer.status().is_success())
    }
}

/// Whether a read ended because of the test's own timeout.
fn gave_up(error: &std::io::Error) -> bool {
    use std::io::ErrorKind::{TimedOut, WouldBlock};
    matches!(error.kind(), WouldBlock | TimedOut)
}

/// A client that trusts only this authority.
fn trusting(authority: &Authority) -> Client {
    let root = Certificate::from_pem(authority.pem().as_bytes()).unwrap();
    server::client().tls_certs_only([root]).build().unwrap()
}

fn client_config(
    authority: &Authority,
    version: &'static rustls::SupportedProtocolVersion,
) -> Arc<ClientConfig> {
    let mut roots = RootCertStore::empty();
    roots
        .add(CertificateDer::from_pem_slice(authority.pem().as_bytes()).unwrap())
        .unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider).with_protocol_versions(&[version]);
    Arc::new(
        config
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth(),
    )
}

fn connect(
    encrypted: &Encrypted,
    version: &'static rustls::SupportedProtocolVersion,
) -> StreamOwned<ClientConnection, TcpStream> {
    let config = client_config(&encrypted.authority, version);
    let name = ServerName::try_from("localhost").unwrap();
    StreamOwned::new(
        ClientConnection::new(config, name).unwrap(),
        encrypted.socket(),
    )
}

// The parts of the service's messages that the test needs.
#[derive(Clone, PartialEq, prost::Message)]
struct Item {
    #[prost(string, tag = "1")]
    text: String,
}

#[derive(Clone, PartialEq, prost::Message)]
struct EmbedRequest {
    #[prost(message, repeated, tag = "2")]
    items: Vec<Item>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct Embedding {
    #[prost(float, repeated, tag = "1")]
    values: Vec<f32>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct EmbedResponse {
    #[prost(message, repeated, tag = "2")]
    embeddings: Vec<Embedding>,
}

async fn channel(url: &str, authority: &Authority) -> Result<Channel, tonic::transport::Error> {
    let root = tonic::transport::Certificate::from_pem(authority.pem());
    let tls = ClientTlsConfig::new().ca_certificate(root);
    Channel::from_shared(url.to_owned())
        .unwrap()
        .tls_config(tls)?
        .connect()
        .await
}

async fn embed(channel: Channel, text: &str) -> Vec<f32> {
    let mut client = tonic::client::Grpc::new(channel);
    client.ready().await.unwrap();
    let codec = tonic_prost::ProstCodec::<EmbedRequest, EmbedResponse>::default();
    let path = "/clip_in.v1.ClipIn/Embed".parse().unwrap();
    let items = vec![Item {
        text: text.to_owned(),
    }];
    let request = tonic::Request::new(EmbedRequest { items });
    let mut answer = client
        .unary(request, path, codec)
        .await
        .unwrap()
        .into_inner();
    answer.embeddings.remove(0).values
}

#[test]
fn rest_and_grpc_share_one_tls_port() {
    let encrypted = Encrypted::start(&[]);
    let (server, stranger) = (&encrypted.server, Authority::new());
    let rest = success(server.post("/v1/embeddings", &json!({"input": "a red bolt"})));
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let grpc = runtime.block_on(async {
        let channel = channel(&server.url, &encrypted.authority).await.unwrap();
        let mut health = HealthClient::new(channel.clone());
        let health = health.check(HealthCheckRequest::default()).await.unwrap();
        assert_eq!(health.into_inner().status(), ServingStatus::Serving);
        embed(channel, "a red bolt").await
    });
    assert!(server::distance(&embeddings(&rest)[0], &grpc) <= 1e-5);

    assert!(encrypted.is_of(&encrypted.authority) && !encrypted.is_of(&stranger));
    assert!(runtime.block_on(channel(&server.url, &stranger)).is_err());
    for version in [&rustls::version::TLS12, &rustls::version::TLS13] {
        let mut connection = connect(&encrypted, version);
        connection
            .write_all(b"GET /healthz HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n")
            .unwrap();
        let mut answer = String::new();
        let _ = connection.read_to_string(&mut answer);
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    }

    // A client without TLS gets no answer and does no harm.
    let plain = server::client().build().unwrap();
    for _ in 0..3 {
        assert!(
            plain
                .get(server.url.replace("https:", "http:"))
                .send()
                .is_err()
        );
        let mut socket = encrypted.socket();
        socket.write_all(&[0; 10_000]).unwrap();
        let _ = socket.read(&mut [0; 100]);
    }
    success(server.get("/readyz"));
}

#[test]
fn a_renewed_certificate_is_used_and_running_requests_are_answered() {
    let encrypted = Encrypted::start(&[]);
    let mut old = connect(&encrypted, &rustls::version::TLS13);
    let body = json!({"input": "a red bolt"}).to_string();
    let (first, rest) = body.split_at(8);
    write!(
        old,
        "POST /v1/embeddings HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{first}",
        body.len()
    )
    .unwrap();
    old.flush().unwrap();
    server::models::wait_for("the request", || {
        encrypted.server.metric("clip_in_requests_in_flight") > 0.0
    });

    let renewed = Authority::new();
    renewed.pair().write(encrypted.folder.path());
    wait_for("the new certificate", || encrypted.is_of(&renewed));
    assert!(!encrypted.is_of(&encrypted.authority));

    old.write_all(rest.as_bytes()).unwrap();
    let mut answer = [0; 12];
    old.read_exact(&mut answer).unwrap();
    assert_eq!(&answer, b"HTTP/1.1 200");
}

#[test]
fn an_invalid_certificate_pair_changes_nothing() {
    let encrypted = Encrypted::start(&[]);
    let write = |name: &str, content: &str| {
        std::fs::write(encrypted.folder.path().join(name), content).unwrap();
    };
    let broken = |nth: usize| {
        wait_for("the log line", || {
            let log = encrypted.server.log();
            log.matches("certificate not reloaded").count() >= nth
        });
        assert!(encrypted.is_of(&encrypted.authority));
    };
    let renewed = Authority::new();
    let Pair { certificate, key } = renewed.pair();
    write("cert.pem", "no certificate");
    broken(1);
    // A certificate whose key has not been replaced yet
    write("cert.pem", &certificate);
    broken(2);
    let half = key.get(..key.len() / 2).unwrap();
    write("key.pem", half);
    broken(3);
    std::fs::remove_file(encrypted.folder.path().join("key.pem")).unwrap();
    broken(4);
    write("key.pem", &key);
    wait_for("the new certificate", || encrypted.is_of(&renewed));
    let log = encrypted.server.log();
    for line in key.lines().filter(|line| !line.starts_with('-')) {
        assert!(!log.contains(line), "the log shows the key");
    }
}

#[test]
fn a_silent_client_blocks_nobody_and_is_disconnected() {
    let encrypted = Encrypted::start(&["--header-seconds", "3"]);
    let silent: Vec<TcpStream> = (0..50).map(|_| encrypted.socket()).collect();
    let mut halfway = encrypted.socket();
    halfway.write_all(&[22, 3, 1, 2, 0, 1]).unwrap();
    // The handshake succeeds, and nothing follows.
    let mut idle = connect(&encrypted, &rustls::version::TLS12);
    idle.conn.complete_io(&mut idle.sock).unwrap();
    let mut slow = connect(&encrypted, &rustls::version::TLS13);
    slow.write_all(b"GET /healthz HTTP/1.1\r\nhost").unwrap();
    slow.flush().unwrap();
    success(
        encrypted
            .server
            .post("/v1/embeddings", &json!({"input": "a red bolt"})),
    );
    let ends = |connection: &mut dyn Read| {
        let mut rest = Vec::new();
        // The end, or a reset
        !connection
            .read_to_end(&mut rest)
            .is_err_and(|error| gave_up(&error))
    };
    for mut socket in silent {
        assert!(ends(&mut socket));
    }
    assert!(ends(&mut halfway) && ends(&mut idle) && ends(&mut slow));
    success(encrypted.server.get("/healthz"));
}

#[test]
fn without_tls_a_head_has_a_time_limit_too() {
    let server = Server::start_with(&["--header-seconds", "2"]);
    let address = server.url.strip_prefix("http://").unwrap();
    let whole = "GET /healthz HTTP/1.1\r\nhost: localhost\r\n\r\n";
    // An HTTP/2 connection with a request for `/` whose client answers no pings
    let http2 = [
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".as_slice(),
        &[0, 0, 0, 4, 0, 0, 0, 0, 0],
        &[0, 0, 14, 1, 5, 0, 0, 0, 1, 0x82, 0x86, 0x84, 0x41, 9],
        b"localhost",
    ]
    .concat();
    let starts: [(&[u8], bool); 7] = [
        (b"", false),
        (b"GET /he", false),
        (
            b"GET /healthz HTTP/1.1\r\nhost: localhost\r\nx-slow: ",
            false,
        ),
        (b"PRI * HTTP/2", false),
        (whole.as_bytes(), true),
        (
            &[whole.as_bytes(), b"GET /healthz HTTP/1.1\r\nho"].concat(),
            true,
        ),
        (&http2, true),
    ];
    for (start, is_answered) in starts {
        let mut socket = TcpStream::connect(address).unwrap();
        socket
            .set_read_timeout(Some(Duration::from_secs(50)))
            .unwrap();
        socket.write_all(start).unwrap();
        let mut answer = Vec::new();
        let ended = socket.read_to_end(&mut answer);
        let start = String::from_utf8_lossy(start);
        assert!(!ended.is_err_and(|e| gave_up(&e)), "{start:?}");
        assert_eq!(answer.len() > 100, is_answered, "{start:?}");
    }
    // A body may arrive slowly.
    let mut socket = TcpStream::connect(address).unwrap();
    let body = json!({"input": "a red bolt"}).to_string();
    let head = format!(
        "POST /v1/embeddings HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    socket.write_all(head.as_bytes()).unwrap();
    std::thread::sleep(Duration::from_secs(4));
    socket.write_all(body.as_bytes()).unwrap();
    let mut answer = [0; 12];
    socket.read_exact(&mut answer).unwrap();
    assert_eq!(&answer, b"HTTP/1.1 200");
}

#[test]
fn a_stop_answers_what_was_accepted_over_tls() {
    let mut encrypted = Encrypted::start(&["--drain-seconds", "40"]);
    let mut old = connect(&encrypted, &rustls::version::TLS13);
    let body = json!({"input": "a red bolt"}).to_string();
    write!(
        old,
        "POST /v1/embeddings HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n",
        body.len()
    )
    .unwrap();
    old.flush().unwrap();
    wait_for("the request", || {
        encrypted.server.metric("clip_in_requests_in_flight") > 0.0
    });
    // Connections in a handshake or between two requests do not delay the stop.
    let _silent = encrypted.socket();
    encrypted.server.terminate();
    wait_for("the stop", || {
        TcpStream::connect(encrypted.address()).is_err()
    });
    old.write_all(body.as_bytes()).unwrap();
    let mut answer = [0; 12];
    old.read_exact(&mut answer).unwrap();
    assert_eq!(&answer, b"HTTP/1.1 200");
    let ended = encrypted
        .server
        .wait(Duration::from_secs(40))
        .expect("it stops");
    assert!(ended.success(), "{ended}");
}

#[test]
fn unusable_files_are_reported_at_the_start() {
    let folder = tempfile::tempdir().unwrap();
    let [certificate, key] = Authority::new().pair().write(folder.path());
    let other = folder.path().join("other.pem");
    std::fs::write(&other, Authority::new().pair().key).unwrap();
    let missing = folder.path().join("missing.pem");
    let start = |arguments: &[&Path]| {
        let mut command = program();
        command
            .args(["serve", "--listen", "127.0.0.1:0", "--model"])
            .arg(demo());
        for (flag, value) in ["--tls-cert", "--tls-key"].iter().zip(arguments) {
            command.arg(flag).arg(value);
        }
        let ended = command.output().unwrap();
        (
            ended.status.code(),
            String::from_utf8_lossy(&ended.stderr).into_owned(),
        )
    };
    let (status, said) = start(&[&certificate]);
    assert!(status == Some(2) && said.contains("--tls-key"), "{said}");
    for pair in [
        [&certificate, &other],
        [&certificate, &certificate],
        [&certificate, &missing],
        [&key, &key],
        [&missing, &key],
    ] {
        let (status, said) = start(&pair.map(|path| path.as_path()));
        assert_eq!(status, Some(1), "{said}");
        assert!(said.contains("TLS") && said.contains(".pem"), "{said}");
        assert!(!said.contains("BEGIN"), "{said}");
    }
}
