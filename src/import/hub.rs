//! Downloads the layout from a Hugging Face Hub over HTTPS.
//!
//! `HF_ENDPOINT` names another Hub, `HF_TOKEN` gives access to private models. The first file tells the commit, and the
//! others are requested at that commit, so that they belong together.

use std::fs::File;
use std::io::Read;
use std::path::Path;
use std::time::Duration;

use ureq::config::RedirectAuthHeaders;
use ureq::http::{Response, StatusCode};
use ureq::{Agent, Body};

use super::safetensors::{self, Learnt};
use super::{ImportError, graphs};

const ENDPOINT: &str = "https://huggingface.co";
/// Timeout for a silent server.
const SILENCE: Duration = Duration::from_secs(60);

/// The required files; the first one tells the commit.
const NEEDED: [&str; 6] = [
    "config.json",
    "preprocessor_config.json",
    "tokenizer.json",
    "tokenizer_config.json",
    graphs::IMAGE,
    graphs::TEXT,
];
/// The optional files.
const OPTIONAL: [&str; 3] = [
    "special_tokens_map.json",
    "onnx/vision_model.onnx_data",
    "onnx/text_model.onnx_data",
];

/// A model on the Hub.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Repository {
    /// `org/name`
    pub id: String,
    /// Branch, tag or commit.
    pub revision: String,
}

/// Information besides the files.
#[derive(Debug)]
pub struct Fetched {
    /// The commit of the files, if the Hub tells it.
    pub commit: Option<String>,
    /// The numbers in `model.safetensors`, which is not downloaded itself.
    pub learnt: Learnt,
}

/// Downloads the layout's files into a folder. `progress` is called with each file's name.
pub fn fetch(
    repository: &Repository,
    folder: &Path,
    progress: impl Fn(&str),
) -> Result<Fetched, ImportError> {
    let mut hub = Hub::new(repository)?;
    std::fs::create_dir_all(folder.join("onnx")).map_err(|e| ImportError::file(folder, &e))?;
    let mut commit = None;
    for file in NEEDED {
        progress(file);
        let found = hub.save(file, folder)?;
        if commit.is_none() {
            commit = found;
            hub.revision = commit.clone().unwrap_or(hub.revision);
        }
    }
    for file in OPTIONAL {
        match hub.save(file, folder) {
            Ok(_) => progress(file),
            Err(ImportError::NotOnHub { .. }) => {}
            Err(error) => return Err(error),
        }
    }
    let learnt = match Learnt::read(|start, length| hub.part(safetensors::FILE, start, length)) {
        Err(ImportError::NotOnHub { .. }) => Learnt::default(),
        other => other?,
    };
    Ok(Fetched { commit, learnt })
}

struct Hub {
    agent: Agent,
    repository: String,
    revision: String,
    token: Option<String>,
}

impl Hub {
    fn new(repository: &Repository) -> Result<Self, ImportError> {
        let plain = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
        let parts: Vec<&str> = repository.id.split('/').collect();
        let named = |part: &str| !part.trim_matches('.').is_empty() && part.chars().all(plain);
        if parts.len() != 2 || !parts.iter().all(|part| named(part)) {
            return Err(ImportError::BadRepository(repository.id.clone()));
        }
        let revision = &repository.revision;
        if revision.is_empty() || !revision.chars().all(|c| plain(c) || c == '/') {
            return Err(ImportError::BadRepository(revision.clone()));
        }
        let given = |name| std::env::var(name).ok().filter(|value| !value.is_empty());
        let endpoint = given("HF_ENDPOINT").unwrap_or_else(|| ENDPOINT.to_owned());
        let config = Agent::config_builder()
            .http_status_as_error(false)
            // A moved repository redirects within the same host; the storage behind the Hub must not get the token.
            .redirect_auth_headers(RedirectAuthHeaders::SameHost)
            .timeout_connect(Some(SILENCE))
            .timeout_per_read(Some(SILENCE));
        Ok(Self {
            agent: config.build().into(),
            repository: format!("{}/{}", endpoint.trim_end_matches('/'), repository.id),
            revision: revision.clone(),
            token: given("HF_TOKEN"),
        })
    }

    fn url(&self, file: &str) -> String {
        let revision = self.revision.replace('/', "%2F");
        format!("{}/resolve/{revision}/{file}", self.repository)
    }

    fn get(&self, file: &str, range: Option<String>) -> Result<Response<Body>, ImportError> {
        let url = self.url(file);
        let mut request = self.agent.get(&url);
        if let Some(token) = &self.token {
            request = request.header("authorization", format!("Bearer {token}"));
        }
        if let Some(range) = range {
            request = request.header("range", range);
        }
        let failed = |reason: String| ImportError::Hub {
            url: url.clone(),
            reason,
        };
        let response = request.call().map_err(|e| failed(e.to_string()))?;
        match response.status() {
            StatusCode::OK | StatusCode::PARTIAL_CONTENT => Ok(response),
            StatusCode::NOT_FOUND => Err(ImportError::NotOnHub { url }),
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => Err(failed(
                "the model does not exist or is not public; set HF_TOKEN to a token with access"
                    .to_owned(),
            )),
            other => Err(failed(format!("the server answered {other}"))),
        }
    }

    /// Stores a file; returns its commit.
    fn save(&self, file: &str, folder: &Path) -> Result<Option<String>, ImportError> {
        let response = self.get(file, None)?;
        let commit = response.headers().get("x-repo-commit");
        let plain = |name: &str| !name.is_empty() && name.chars().all(|c| c.is_ascii_hexdigit());
        let commit = commit
            .and_then(|value| value.to_str().ok())
            .filter(|name| plain(name))
            .map(str::to_owned);
        let path = folder.join(file);
        let mut to = File::create(&path).map_err(|e| ImportError::file(&path, &e))?;
        let mut body = response.into_body().into_reader();
        std::io::copy(&mut body, &mut to).map_err(|e| ImportError::Hub {
            url: self.url(file),
            reason: e.to_string(),
        })?;
        Ok(commit)
    }

    /// A range of a file.
    fn part(&self, file: &str, start: u64, length: usize) -> Result<Vec<u8>, ImportError> {
        let failed = |reason: String| ImportError::Hub {
            url: self.url(file),
            reason,
        };
        let range = format!("bytes={start}-{}", start + length as u64 - 1);
        let response = self.get(file, Some(range))?;
        if response.status() != StatusCode::PARTIAL_CONTENT {
            let reason =
                "the server does not support ranges; download the files and import the folder";
            return Err(failed(reason.to_owned()));
        }
        let mut bytes = Vec::new();
        let body = response.into_body().into_reader();
        body.take(length as u64)
            .read_to_end(&mut bytes)
            .map_err(|e| failed(e.to_string()))?;
        if bytes.len() != length {
            return Err(failed("the file ends too early".to_owned()));
        }
        Ok(bytes)
    }
}
