//! Hosts for image URLs: real servers on loopback, good and bad ones.

#![allow(dead_code)] // Each test file uses a part.

pub mod server;

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

use rustls::{ServerConfig, ServerConnection, StreamOwned};

/// A host that counts its connections.
pub struct Origin {
    pub port: u16,
    connections: Arc<AtomicUsize>,
    requests: Arc<AtomicUsize>,
    gate: Arc<Gate>,
}

/// Requests for `/held` are answered when this is opened.
#[derive(Default)]
struct Gate(Mutex<bool>, Condvar);

impl Gate {
    fn open(&self) {
        *self.0.lock().unwrap() = true;
        self.1.notify_all();
    }

    fn wait(&self) {
        let mut open = self.0.lock().unwrap();
        while !*open {
            open = self.1.wait(open).unwrap();
        }
    }
}

trait Connection: Read + Write {}
impl<T: Read + Write> Connection for T {}

impl Origin {
    /// Listens on all loopback addresses and more, so that only the server's checks prevent a connection.
    pub fn start(image: Vec<u8>) -> Self {
        Self::launch(image, None)
    }

    pub fn start_with_tls(image: Vec<u8>, config: Arc<ServerConfig>) -> Self {
        Self::launch(image, Some(config))
    }

    fn launch(image: Vec<u8>, tls: Option<Arc<ServerConfig>>) -> Self {
        // For both address families if the system has both: "::1" must not fail because nothing listens.
        let listener = TcpListener::bind("[::]:0")
            .or_else(|_| TcpListener::bind("0.0.0.0:0"))
            .unwrap();
        let this = Self {
            port: listener.local_addr().unwrap().port(),
            connections: Arc::default(),
            requests: Arc::default(),
            gate: Arc::default(),
        };
        let (connections, requests, gate) = (
            this.connections.clone(),
            this.requests.clone(),
            this.gate.clone(),
        );
        let image = Arc::new(image);
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                connections.fetch_add(1, Ordering::SeqCst);
                let (image, tls) = (image.clone(), tls.clone());
                let (requests, gate) = (requests.clone(), gate.clone());
                std::thread::spawn(move || {
                    let mut stream: Box<dyn Connection> = match tls {
                        None => Box::new(stream),
                        Some(tls) => Box::new(encrypted(stream, tls)),
                    };
                    // An error is a client that disconnected, which is often what the test checks.
                    while let Some(path) = read_head(&mut *stream) {
                        requests.fetch_add(1, Ordering::SeqCst);
                        if answer(&path, &mut *stream, &image, &gate).is_err() {
                            break;
                        }
                    }
                });
            }
        });
        this
    }

    pub fn url(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}/{path}", self.port)
    }

    pub fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }

    pub fn requests(&self) -> usize {
        self.requests.load(Ordering::SeqCst)
    }

    /// Answers held requests, and all later ones.
    pub fn release(&self) {
        self.gate.open();
    }
}

fn encrypted(
    stream: TcpStream,
    config: Arc<ServerConfig>,
) -> StreamOwned<ServerConnection, TcpStream> {
    StreamOwned::new(ServerConnection::new(config).unwrap(), stream)
}

/// The requested path.
fn read_head(stream: &mut dyn Connection) -> Option<String> {
    let (mut head, mut byte) = (Vec::new(), [0]);
    while !head.ends_with(b"\r\n\r\n") {
        if stream.read(&mut byte).ok()? == 0 {
            return None;
        }
        head.push(byte[0]);
    }
    let head = String::from_utf8(head).unwrap();
    // The request must not contain anything useful to a host that should not have it.
    let lower = head.to_ascii_lowercase();
    for header in ["authorization:", "cookie:", "accept-encoding:", "referer:"] {
        assert!(!lower.contains(header), "{head}");
    }
    Some(head.split(' ').nth(1)?.trim_start_matches('/').to_owned())
}

fn answer(
    path: &str,
    stream: &mut dyn Connection,
    image: &[u8],
    gate: &Gate,
) -> std::io::Result<()> {
    let whole = |stream: &mut dyn Connection, status: &str, headers: &str, body: &[u8]| {
        let length = body.len();
        write!(
            stream,
            "HTTP/1.1 {status}\r\ncontent-length: {length}\r\n{headers}\r\n"
        )?;
        stream.write_all(body)?;
        stream.flush()
    };
    let close = || Err(std::io::Error::other("done"));
    let (step, rest) = path.split_once('/').unwrap_or((path, ""));
    match step {
        "image" | "image.jpg" => whole(stream, "200 OK", "content-type: image/jpeg\r\n", image),
        "held" => {
            gate.wait();
            whole(stream, "200 OK", "", image)
        }
        // All but the last bytes, until it is released
        "held-bytes" => {
            let bytes: usize = rest.parse().unwrap();
            write!(
                stream,
                "HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n",
                bytes + 3
            )?;
            stream.write_all(&vec![7; bytes])?;
            stream.flush()?;
            gate.wait();
            stream.write_all(b"end")
        }
        "bytes" => whole(stream, "200 OK", "", &vec![7; rest.parse().unwrap()]),
        "to" => whole(
            stream,
            "302 Found",
            &format!("location: {rest}\r\n"),
            b"moved",
        ),
        "hops" => {
            let left: usize = rest.parse().unwrap();
            let next = match left {
                1 => "/image".to_owned(),
                _ => format!("/hops/{}", left - 1),
            };
            whole(
                stream,
                "307 Temporary Redirect",
                &format!("location: {next}\r\n"),
                b"",
            )
        }
        "loop" => whole(stream, "301 Moved Permanently", "location: /loop\r\n", b""),
        "nowhere" => whole(stream, "302 Found", "", b""),
        "not-found" => whole(stream, "404 Not Found", "", image),
        "broken-host" => whole(stream, "500 Internal Server Error", "", image),
        "password" => whole(
            stream,
            "401 Unauthorized",
            "www-authenticate: Basic\r\n",
            b"",
        ),
        "part" => whole(stream, "206 Partial Content", "", image),
        "empty" => whole(stream, "200 OK", "", b""),
        "page" => whole(stream, "200 OK", "content-type: image/png\r\n", b"<html>"),
        "compressed" => whole(
            stream,
            "200 OK",
            "content-encoding: gzip\r\n",
            b"\x1f\x8b\x08",
        ),
        "garbage" => {
            stream.write_all(b"SSH-2.0-OpenSSH_9.9\r\n")?;
            close()
        }
        "half" => {
            stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\nhalf")?;
            close()
        }
        "closes" => close(),
        "huge-announced" => {
            stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 99999999999\r\n\r\nabc")?;
            stream.flush()?;
            read_head(stream);
            close()
        }
        "huge" => {
            stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n")?;
            stream.write_all(&vec![0; 8 << 20])?;
            close()
        }
        "endless" => {
            stream.write_all(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n")?;
            loop {
                stream.write_all(b"400\r\n")?;
                stream.write_all(&[0; 0x400])?;
                stream.write_all(b"\r\n")?;
            }
        }
        "endless-head" => {
            stream.write_all(b"HTTP/1.1 200 OK\r\n")?;
            loop {
                stream.write_all(b"x-more: and more and more and more and more\r\n")?;
            }
        }
        "drip" => {
            stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 100000\r\n\r\n")?;
            loop {
                stream.write_all(b"a")?;
                stream.flush()?;
                std::thread::sleep(Duration::from_millis(50));
            }
        }
        "drip-head" => loop {
            stream.write_all(b"H")?;
            stream.flush()?;
            std::thread::sleep(Duration::from_millis(50));
        },
        "silent" => {
            read_head(stream);
            close()
        }
        other => panic!("unknown path: {other}"),
    }
}
