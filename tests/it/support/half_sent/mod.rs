//! Requests that stop in the middle of their bodies.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;

use super::server::Server;

/// A connection with the head of a request with the given body length, and a part of the body.
pub fn half_sent(server: &Server, announced: usize, sent: usize) -> TcpStream {
    let address = server.url.strip_prefix("http://").unwrap();
    let mut client = TcpStream::connect(address).unwrap();
    let head = format!(
        "POST /v1/embeddings HTTP/1.1\r\nhost: {address}\r\ncontent-type: application/json\r\ncontent-length: {announced}\r\n\r\n"
    );
    client.write_all(head.as_bytes()).unwrap();
    client.write_all(&vec![b' '; sent]).unwrap();
    client
}

/// All that the server answers.
pub fn answer_of(mut client: TcpStream) -> String {
    let wait = Duration::from_secs(10);
    client.set_read_timeout(Some(wait)).unwrap();
    let mut answer = Vec::new();
    // A connection that the server closes may end in a reset after the answer.
    let _ = client.read_to_end(&mut answer);
    String::from_utf8_lossy(&answer).into_owned()
}
