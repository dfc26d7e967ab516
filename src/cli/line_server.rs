//! The running server that a command asks about a line: its address and key, and the errors that it answers.

use std::fmt;
use std::time::Duration;

use anyhow::Context as _;
use clap::Args;
use serde_json::Value;
use ureq::Agent;

use crate::config::Secret;

/// The address of a server, and the key that it may ask for.
#[derive(Debug, Args)]
pub struct LineServer {
    /// Address of the server
    #[arg(
        long,
        env = "CLIP_IN_SERVER",
        default_value = "http://127.0.0.1:8080",
        value_name = "URL"
    )]
    server: String,
    /// API key, if the server asks for one. Set it in the environment: others on this machine can read a command line
    #[arg(
        long,
        env = "CLIP_IN_API_KEY",
        hide_env_values = true,
        value_name = "KEY"
    )]
    api_key: Option<Secret>,
}

impl LineServer {
    /// The address as it was given.
    pub fn address(&self) -> &str {
        &self.server
    }

    /// The URL of a line, or of a path below it, such as `/inspections`.
    ///
    /// # Errors
    /// The address is no URL of a server.
    pub fn url(&self, line: &str, path: &str) -> anyhow::Result<url::Url> {
        let below = path.strip_prefix('/');
        let parts = ["v1", "lines", line].into_iter().chain(below);
        self.url_of(&parts.collect::<Vec<_>>())
    }

    /// The URL of a path in parts.
    ///
    /// # Errors
    /// The address is no URL of a server.
    pub fn url_of(&self, path: &[&str]) -> anyhow::Result<url::Url> {
        let mut url: url::Url = self
            .server
            .parse()
            .with_context(|| format!("--server {}", self.server))?;
        let parts = url.path_segments_mut();
        let mut parts =
            parts.map_err(|()| anyhow::anyhow!("--server {}: no URL of a server", self.server))?;
        parts.pop_if_empty().extend(path);
        drop(parts);
        Ok(url)
    }

    /// Adds the key, if there is one.
    pub fn with_key<T>(&self, request: ureq::RequestBuilder<T>) -> ureq::RequestBuilder<T> {
        match &self.api_key {
            Some(key) => request.header("x-api-key", key.reveal()),
            None => request,
        }
    }
}

/// The answer of a request, whatever its status.
pub type Answered = Result<ureq::http::Response<ureq::Body>, ureq::Error>;

/// A client that keeps its connections, with the longest time of a request.
pub fn agent(most: Duration) -> Agent {
    let config = Agent::config_builder()
        .http_status_as_error(false)
        .timeout_global(Some(most));
    config.build().new_agent()
}

/// The error of an answer.
#[derive(Debug, Clone, Default, serde::Serialize)]
pub struct Refusal {
    /// Its stable code.
    pub code: String,
    /// What was wrong.
    pub message: String,
    /// The field at fault, or nothing.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub param: String,
}

impl Refusal {
    /// The error in a body; `None` if the body is not that of this server's errors.
    pub fn of(body: &Value) -> Option<Self> {
        let error = body.get("error")?;
        let field = |name: &str| error.get(name).and_then(Value::as_str).map(str::to_owned);
        Some(Self {
            code: field("code")?,
            message: field("message")?,
            param: field("param").unwrap_or_default(),
        })
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.code, self.message)?;
        if !self.param.is_empty() {
            write!(f, " ({})", self.param)?;
        }
        Ok(())
    }
}
