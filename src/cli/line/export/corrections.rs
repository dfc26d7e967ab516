//! Reads the corrections of a line, and their images, from its server.

use anyhow::{Context as _, bail};
use serde::Deserialize;

use crate::cli::line::{Named, TIME};
use crate::cli::line_server::{Refusal, agent};

/// Bytes of an image, at most: a server takes no larger ones, whatever its settings.
const MOST_BYTES: u64 = 1 << 30;

/// What a person said about an inspected part.
#[derive(Debug, Clone, Deserialize)]
pub struct Correction {
    /// Id of the inspection.
    pub inspection: String,
    /// What was said.
    pub verdict: Said,
    /// The part, as the client called it.
    pub part: Option<String>,
    /// Its lot.
    pub lot: Option<String>,
    /// The line's version.
    pub version: i64,
    /// The model.
    pub model: String,
    /// The same images have the same content.
    pub content: String,
    /// Number of images.
    pub images: usize,
    /// The image with the strongest change.
    pub view: usize,
    /// Why the server does not want it in a training set.
    pub left_out: Option<String>,
}

/// A verdict.
#[derive(Debug, Clone, Deserialize)]
pub struct Said {
    /// `ok` or `ng`.
    pub verdict: String,
    /// The kind of defect.
    pub kind: Option<String>,
    /// A sentence about the change.
    pub caption: Option<String>,
    /// The name of the reviewer's key.
    pub who: String,
}

#[derive(Deserialize)]
struct Page {
    data: Vec<Correction>,
    next: Option<String>,
}

/// The corrections of a line.
pub struct Corrections<'a> {
    line: &'a Named,
    agent: ureq::Agent,
}

impl<'a> Corrections<'a> {
    /// Of a line of a server.
    pub fn of(line: &'a Named) -> Self {
        Self {
            line,
            agent: agent(TIME),
        }
    }

    /// All of them, the oldest inspection first.
    ///
    /// # Errors
    /// What the server refused.
    pub fn all(&self) -> anyhow::Result<Vec<Correction>> {
        let mut all = Vec::new();
        let mut after: Option<String> = None;
        loop {
            let mut url = self.line.server.url(&self.line.name, "/corrections")?;
            if let Some(after) = &after {
                url.query_pairs_mut().append_pair("after", after);
            }
            let page: Page = serde_json::from_value(self.line.get(&url)?)?;
            all.extend(page.data);
            match page.next {
                Some(next) => after = Some(next),
                None => return Ok(all),
            }
        }
    }

    /// An image of an inspected part; `None` if it was deleted meanwhile.
    ///
    /// # Errors
    /// What the server refused.
    pub fn image(&self, inspection: &str, view: usize) -> anyhow::Result<Option<Vec<u8>>> {
        self.bytes(inspection, "image", view)
    }

    /// The good part that an image of an inspected part is compared with.
    ///
    /// # Errors
    /// What the server refused.
    pub fn reference(&self, inspection: &str, view: usize) -> anyhow::Result<Option<Vec<u8>>> {
        self.bytes(inspection, "reference", view)
    }

    fn bytes(&self, inspection: &str, what: &str, view: usize) -> anyhow::Result<Option<Vec<u8>>> {
        let server = &self.line.server;
        let mut url = server.url_of(&["v1", "inspections", inspection, what])?;
        let mut query = url.query_pairs_mut();
        query.append_pair("view", &view.to_string());
        if what == "reference" {
            query.append_pair("current", "true");
        }
        drop(query);
        let answer = server.with_key(self.agent.get(url.as_str())).call();
        let mut answer = answer.with_context(|| format!("no answer from {}", server.address()))?;
        let is_image = answer.status().is_success();
        let body = answer.body_mut().with_config().limit(MOST_BYTES);
        let bytes = body
            .read_to_vec()
            .with_context(|| format!("the {what} of inspection {inspection}"))?;
        if is_image {
            return Ok(Some(bytes));
        }
        let refusal = serde_json::from_slice(&bytes)
            .ok()
            .as_ref()
            .and_then(Refusal::of);
        let refusal = refusal.unwrap_or_default();
        if refusal.code == "image_deleted" {
            return Ok(None);
        }
        bail!("the {what} of inspection {inspection}: {refusal}")
    }
}
