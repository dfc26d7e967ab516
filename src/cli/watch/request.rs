//! The request for a file, and what the answer means for it.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use anyhow::anyhow;
use serde_json::Value;
use serde_json::value::RawValue;
use sha2::{Digest as _, Sha256};
use ureq::Agent;
use url::Url;

use super::name_fields::{NameFields, fields_of};
use crate::cli::line_server::{Answered, LineServer, Refusal, agent};

/// Longest time of a request. The server may be busy with others; a second request with the same key is answered once.
const TIME: Duration = Duration::from_secs(120);

/// A larger file is announced before it is sent, so that the server can refuse it without reading it.
const ANNOUNCED: usize = 1 << 20;

/// The fields of an answer, as they were received.
pub type Fields = BTreeMap<String, Box<RawValue>>;

/// What an answer means for a file.
#[derive(Debug)]
pub enum Reply {
    /// It was inspected.
    Inspected(Fields),
    /// The server does not take it.
    Refused(Refusal),
    /// The same request may be answered later; the server may say when.
    Later(String, Option<Duration>),
    /// No file will be answered until somebody does something about it.
    Fatal(anyhow::Error),
}

/// A line of a server.
#[derive(Debug)]
pub struct Line<'a> {
    agent: Agent,
    server: &'a LineServer,
    name: &'a str,
    inspections: Url,
    pattern: Option<&'a NameFields>,
}

impl<'a> Line<'a> {
    /// A line by its name; `pattern` reads fields from the names of files.
    ///
    /// # Errors
    /// The address is no URL of a server.
    pub fn new(
        server: &'a LineServer,
        name: &'a str,
        pattern: Option<&'a NameFields>,
    ) -> anyhow::Result<Self> {
        Ok(Self {
            agent: agent(TIME),
            server,
            name,
            inspections: server.url(name, "/inspections")?,
            pattern,
        })
    }

    /// Asks for the line, so that a wrong name or key is found before there is a file. A server that cannot be reached is no
    /// error.
    ///
    /// # Errors
    /// There is no such line, or the key is wrong.
    pub fn check(&self) -> anyhow::Result<()> {
        let url = self.server.url(self.name, "")?;
        let asked = self.agent.get(url.as_str());
        match self.reply(self.server.with_key(asked).call()) {
            Reply::Fatal(error) => Err(error),
            Reply::Refused(refusal) => Err(anyhow!("{refusal}")),
            Reply::Inspected(_) | Reply::Later(..) => Ok(()),
        }
    }

    /// Has an image inspected. `name` is the path of its file.
    pub fn inspect(&self, name: &Path, key: &str, image: &[u8]) -> Reply {
        let mut url = self.inspections.clone();
        url.query_pairs_mut()
            .extend_pairs(fields_of(name, self.pattern));
        let asked = self.server.with_key(self.agent.post(url.as_str()));
        let mut asked = asked
            .header("content-type", "application/octet-stream")
            .header("idempotency-key", key);
        if image.len() > ANNOUNCED {
            asked = asked.header("expect", "100-continue");
        }
        self.reply(asked.send(image))
    }

    fn reply(&self, answered: Answered) -> Reply {
        let address = self.server.address();
        let mut answer = match answered {
            Ok(answer) => answer,
            Err(error @ (ureq::Error::Http(_) | ureq::Error::BadUri(_))) => {
                let error = anyhow!(error)
                    .context("the request cannot be sent: look at the address and the key");
                return Reply::Fatal(error);
            }
            Err(error) => return Reply::Later(format!("no answer from {address}: {error}"), None),
        };
        let after = answer.headers().get("retry-after");
        let after = after.and_then(|after| after.to_str().ok()?.parse().ok());
        let after = after.map(Duration::from_secs);
        match answer.body_mut().read_to_string() {
            Ok(text) => self.meaning(answer.status().as_u16(), &text, after),
            Err(error) => Reply::Later(format!("no whole answer from {address}: {error}"), None),
        }
    }

    fn meaning(&self, status: u16, text: &str, after: Option<Duration>) -> Reply {
        let address = self.server.address();
        let body = serde_json::from_str::<Value>(text);
        let refusal = body.ok().and_then(|body| Refusal::of(&body));
        let said = refusal
            .as_ref()
            .map_or_else(|| format!("status {status}"), Refusal::to_string);
        match status {
            200..=299 => match serde_json::from_str(text) {
                Ok(fields) => Reply::Inspected(fields),
                Err(_) => Reply::Fatal(anyhow!(
                    "{address} answers, but not as clip-in does: look at --server"
                )),
            },
            408 | 429 | 500.. => Reply::Later(said, after),
            401 => Reply::Fatal(anyhow!(
                "{said}; set CLIP_IN_API_KEY to a key of the server"
            )),
            403 => Reply::Fatal(anyhow!("{said}; the key needs the role inspect")),
            404 => Reply::Fatal(anyhow!(
                "{said}; look at --server and --line. `clip-in line create {} --references DIR` creates the line",
                self.name
            )),
            413 => Reply::Refused(refusal.unwrap_or_else(|| Refusal {
                code: "body_too_large".to_owned(),
                message:
                    "the file is larger than the server or a proxy before it allows".to_owned(),
                param: String::new(),
            })),
            _ => match refusal {
                Some(refusal) if refusal.code == "invalid_line_name" => {
                    Reply::Fatal(anyhow!("{refusal}"))
                }
                Some(refusal) => Reply::Refused(refusal),
                None => Reply::Fatal(anyhow!(
                    "{said} of {address}, which does not answer as clip-in does: look at --server"
                )),
            },
        }
    }
}

/// The idempotency key of a file: SHA-256 of its name and content. A file that is sent again after a kill has the same one.
pub fn key_of(name: &Path, content: &[u8]) -> String {
    let name = name.as_os_str().as_encoded_bytes();
    let mut digest = Sha256::new();
    // With its length, no other name and content are the same bytes.
    digest.update((name.len() as u64).to_le_bytes());
    digest.update(name);
    digest.update(content);
    let digest = digest.finalize();
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}
