//! A receiver of webhooks: it notes what arrives, and answers as it is told.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

use serde_json::Value;

/// A request that arrived.
#[derive(Debug, Clone)]
pub struct Arrived {
    pub id: String,
    pub event: String,
    pub signature: String,
    pub text: String,
    pub body: Value,
    /// What it was answered with.
    pub status: u16,
}

type Answer = dyn Fn(&Value, usize) -> u16 + Send + Sync;

pub struct Receiver {
    pub url: String,
    arrived: Arc<Mutex<Vec<Arrived>>>,
}

impl Receiver {
    /// A receiver whose answers depend on the message and on the number of messages before it.
    pub fn answering(answer: impl Fn(&Value, usize) -> u16 + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/hook", listener.local_addr().unwrap());
        let arrived: Arc<Mutex<Vec<Arrived>>> = Arc::default();
        let answer: Arc<Answer> = Arc::new(answer);
        let noted = arrived.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (noted, answer) = (noted.clone(), answer.clone());
                std::thread::spawn(move || serve(stream, &noted, &answer));
            }
        });
        Self { url, arrived }
    }

    /// All that arrived so far.
    pub fn arrived(&self) -> Vec<Arrived> {
        self.arrived.lock().unwrap().clone()
    }

    /// Ids of what was acknowledged, in order.
    pub fn taken(&self) -> Vec<String> {
        let arrived = self.arrived();
        let taken = arrived.into_iter().filter(|one| one.status < 300);
        taken.map(|one| one.id).collect()
    }
}

/// Answers requests of a connection until it is closed.
fn serve(stream: TcpStream, arrived: &Mutex<Vec<Arrived>>, answer: &Arc<Answer>) {
    let mut reader = BufReader::new(stream.try_clone().unwrap());
    let mut writer = stream;
    loop {
        let mut headers = std::collections::HashMap::new();
        loop {
            let mut line = String::new();
            if !matches!(reader.read_line(&mut line), Ok(1..)) {
                return;
            }
            if line.trim().is_empty() {
                break;
            }
            if let Some((name, value)) = line.split_once(": ") {
                headers.insert(name.to_lowercase(), value.trim().to_owned());
            }
        }
        let length = headers["content-length"].parse().unwrap();
        let mut body = vec![0; length];
        if reader.read_exact(&mut body).is_err() {
            return;
        }
        let text = String::from_utf8(body).unwrap();
        let body: Value = serde_json::from_str(&text).unwrap();
        let status = {
            let mut arrived = arrived.lock().unwrap();
            let status = answer(&body, arrived.len());
            arrived.push(Arrived {
                id: headers["clip-in-delivery-id"].clone(),
                event: headers["clip-in-event"].clone(),
                signature: headers["clip-in-signature"].clone(),
                text,
                body,
                status,
            });
            status
        };
        let answer = format!("HTTP/1.1 {status} X\r\ncontent-length: 7\r\n\r\nan echo");
        if writer.write_all(answer.as_bytes()).is_err() {
            return;
        }
    }
}
