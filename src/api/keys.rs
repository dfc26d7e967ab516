//! API keys: who may call the server, in which lane, and with how many concurrent requests.

use std::collections::HashMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};

use axum::http::{HeaderMap, header};
use serde::Deserialize;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::ApiError;
use crate::byte_order_mark;
use crate::config::Secret;
use crate::engine::{Lane, Tenant};
use crate::error_code::Code;
use crate::file_watch::FileWatch;

/// Minimum length; a shorter key could be guessed.
const SHORTEST: usize = 16;

/// The reason why keys cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// The file cannot be read.
    #[error("cannot read the API keys in {path}: {reason}")]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// The system's error.
        reason: std::io::Error,
    },
    /// The content is invalid. The message never shows a key.
    #[error("API keys in {place}: {reason}")]
    Invalid {
        /// The file or the environment variable.
        place: String,
        /// The error.
        reason: String,
    },
}

/// The file: `[[key]]` tables.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct KeyFile {
    #[serde(default)]
    key: Vec<KeyEntry>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct KeyEntry {
    name: String,
    /// The key itself,
    key: Option<Secret>,
    /// or the SHA-256 of it in hexadecimal digits.
    sha256: Option<String>,
    #[serde(default)]
    lane: Option<String>,
    #[serde(default)]
    max_requests: Option<usize>,
}

/// A caller with a key; its slot among the key's requests is released when this is dropped.
#[derive(Debug, Clone)]
pub struct Caller {
    /// The key's name, for logs.
    pub name: Arc<str>,
    /// The lane of requests without one.
    pub lane: Option<Lane>,
    /// The tenant of requests with this key.
    pub tenant: Tenant,
    _place: Option<Arc<OwnedSemaphorePermit>>,
}

struct Key {
    name: Arc<str>,
    digest: [u8; 32],
    lane: Option<Lane>,
    tenant: Tenant,
    limit: Option<(usize, Arc<Semaphore>)>,
}

/// All keys of a server. Without any, everyone may call it.
pub struct ApiKeys {
    file: Option<PathBuf>,
    fixed: Option<Secret>,
    /// `None`: no keys are configured.
    keys: RwLock<Option<Vec<Key>>>,
}

impl fmt::Debug for ApiKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ApiKeys")
    }
}

impl ApiKeys {
    /// Keys from a file, from the environment (`name=key`, separated by commas), from both, or none.
    ///
    /// # Errors
    /// [`KeyError`].
    pub fn open(file: Option<PathBuf>, fixed: Option<Secret>) -> Result<Arc<Self>, KeyError> {
        let this = Self {
            file,
            fixed,
            keys: RwLock::new(None),
        };
        this.load()?;
        Ok(Arc::new(this))
    }

    /// Whether callers need a key.
    pub fn are_asked_for(&self) -> bool {
        self.file.is_some() || self.fixed.is_some()
    }

    /// Reads the keys again. Running requests keep their slots.
    ///
    /// # Errors
    /// [`KeyError`]; the keys are unchanged then.
    pub fn load(&self) -> Result<(), KeyError> {
        if !self.are_asked_for() {
            return Ok(());
        }
        let mut entries = Vec::new();
        if let Some(fixed) = &self.fixed {
            entries.extend(from_environment(fixed)?);
        }
        let mut place = "CLIP_IN_API_KEYS".to_owned();
        if let Some(path) = &self.file {
            entries.extend(from_file(path)?);
            place = path.display().to_string();
        }
        let mut keys = self.keys.write().unwrap_or_else(PoisonError::into_inner);
        let before = keys.take().unwrap_or_default();
        match checked(entries, &before) {
            Ok(new) => {
                *keys = Some(new);
                Ok(())
            }
            Err(reason) => {
                *keys = Some(before);
                Err(KeyError::Invalid { place, reason })
            }
        }
    }

    /// Watches the file from now on, and reads it again when it has changed.
    pub async fn follow(self: Arc<Self>) {
        let Some(path) = self.file.clone() else {
            return;
        };
        let mut watch = FileWatch::new(vec![path]);
        loop {
            watch.changed().await;
            self.read_again().await;
        }
    }

    /// Reads the file again, if there is one. If it is invalid, nothing changes and an error is logged.
    pub async fn read_again(self: &Arc<Self>) {
        let Some(file) = self.file.as_ref().map(|path| path.display().to_string()) else {
            return;
        };
        let this = self.clone();
        match tokio::task::spawn_blocking(move || this.load().map(|()| this.count())).await {
            Ok(Ok(keys)) => tracing::info!(file, keys, "API keys reloaded"),
            Ok(Err(error)) => {
                tracing::error!(%error, "API keys not reloaded: the previous ones stay in use")
            }
            Err(error) => {
                tracing::error!(%error, "API keys not reloaded: the previous ones stay in use")
            }
        }
    }

    fn count(&self) -> usize {
        let keys = self.keys.read().unwrap_or_else(PoisonError::into_inner);
        keys.as_ref().map_or(0, Vec::len)
    }

    /// Identifies the caller. `None` if no keys are configured.
    ///
    /// # Errors
    /// 401 without a key or with a wrong one, 429 if the key has too many requests.
    pub fn check(&self, headers: &HeaderMap) -> Result<Option<Caller>, ApiError> {
        let keys = self.keys.read().unwrap_or_else(PoisonError::into_inner);
        let Some(keys) = &*keys else {
            return Ok(None);
        };
        let refused = |message: &str| ApiError::new(Code::Unauthorized, message);
        let shown = shown(headers).ok_or_else(|| {
            refused("this server requires an API key: authorization: Bearer KEY, or x-api-key: KEY")
        })?;
        let shown: [u8; 32] = Sha256::digest(shown).into();
        // All keys are compared, each in constant time, so that the time reveals nothing about a key.
        let mut found = None;
        for key in keys {
            if bool::from(key.digest.ct_eq(&shown)) {
                found = Some(key);
            }
        }
        let key = found.ok_or_else(|| refused("unknown API key"))?;
        let place = match &key.limit {
            None => None,
            Some((most, places)) => {
                let place = places.clone().try_acquire_owned().map_err(|_| {
                    let message = format!(
                        "the API key {:?} has {most} requests at a time, and all of them are under way",
                        key.name
                    );
                    ApiError::overloaded(message, 1)
                })?;
                Some(Arc::new(place))
            }
        };
        Ok(Some(Caller {
            name: key.name.clone(),
            lane: key.lane,
            tenant: key.tenant,
            _place: place,
        }))
    }
}

fn shown(headers: &HeaderMap) -> Option<&[u8]> {
    if let Some(value) = headers.get(header::AUTHORIZATION) {
        let value = value.as_bytes();
        let (scheme, key) = value.split_at_checked(7)?;
        return scheme
            .eq_ignore_ascii_case(b"bearer ")
            .then_some(key.trim_ascii());
    }
    headers
        .get("x-api-key")
        .map(|value| value.as_bytes().trim_ascii())
}

fn from_environment(text: &Secret) -> Result<Vec<KeyEntry>, KeyError> {
    let invalid = |reason: &str| KeyError::Invalid {
        place: "CLIP_IN_API_KEYS".to_owned(),
        reason: reason.to_owned(),
    };
    let parts = text
        .reveal()
        .split(',')
        .map(str::trim)
        .filter(|p| !p.is_empty());
    parts
        .map(|part| {
            let (name, key) = part
                .split_once('=')
                .ok_or_else(|| invalid("it must be name=key, separated by commas"))?;
            Ok(KeyEntry {
                name: name.trim().to_owned(),
                key: Some(Secret::from(key.trim().to_owned())),
                sha256: None,
                lane: None,
                max_requests: None,
            })
        })
        .collect()
}

fn from_file(path: &Path) -> Result<Vec<KeyEntry>, KeyError> {
    let text = std::fs::read_to_string(path).map_err(|reason| KeyError::Unreadable {
        path: path.to_owned(),
        reason,
    })?;
    let text = byte_order_mark::dropped_from(&text);
    let file: KeyFile = toml::from_str(text).map_err(|error| {
        // The parser's own message would show the line, and with it a key.
        let line = error.span().map_or(0, |span| {
            text.get(..span.start)
                .map_or(0, |before| before.matches('\n').count() + 1)
        });
        KeyError::Invalid {
            place: format!("{}, line {line}", path.display()),
            reason: error.message().to_owned(),
        }
    })?;
    Ok(file.key)
}

/// Converts entries to keys; a key with an unchanged name and limit keeps its slots.
fn checked(entries: Vec<KeyEntry>, before: &[Key]) -> Result<Vec<Key>, String> {
    let mut names = HashMap::new();
    let mut keys: Vec<Key> = Vec::new();
    for entry in entries {
        let name: Arc<str> = entry.name.into();
        if name.is_empty() {
            return Err("a key needs a name".to_owned());
        }
        if names.insert(name.clone(), ()).is_some() {
            return Err(format!("the name {name:?} is used twice"));
        }
        let digest = match (&entry.key, &entry.sha256) {
            (Some(key), None) if key.reveal().len() < SHORTEST => {
                return Err(format!(
                    "{name:?}: a key must have at least {SHORTEST} characters"
                ));
            }
            (Some(key), None) => Sha256::digest(key.reveal()).into(),
            (None, Some(digest)) => hexadecimal(digest)
                .ok_or_else(|| format!("{name:?}: sha256 is 64 hexadecimal digits"))?,
            _ => return Err(format!("{name:?}: give either key or sha256")),
        };
        let lane = match entry.lane.as_deref() {
            None => None,
            Some(lane) => Some(
                Lane::ALL
                    .into_iter()
                    .find(|known| known.name() == lane)
                    .ok_or_else(|| format!("{name:?}: the lane must be interactive or bulk"))?,
            ),
        };
        let limit = match entry.max_requests {
            None => None,
            Some(0) => return Err(format!("{name:?}: max_requests must be at least 1")),
            Some(most) => {
                let kept = before.iter().find(|key| key.name == name);
                let kept = kept.and_then(|key| key.limit.clone());
                let kept = kept.filter(|(known, _)| *known == most);
                Some(kept.unwrap_or_else(|| (most, Arc::new(Semaphore::new(most)))))
            }
        };
        keys.push(Key {
            tenant: tenant(&name),
            name,
            digest,
            lane,
            limit,
        });
    }
    Ok(keys)
}

/// The same after the keys were reloaded.
fn tenant(name: &str) -> Tenant {
    let digest = Sha256::digest(name);
    Tenant::new(
        digest
            .iter()
            .take(8)
            .fold(0, |number, byte| number << 8 | u64::from(*byte)),
    )
}

fn hexadecimal(text: &str) -> Option<[u8; 32]> {
    let mut digest = [0; 32];
    if text.len() != 64 || !text.is_ascii() {
        return None;
    }
    for (byte, pair) in digest.iter_mut().zip(text.as_bytes().chunks_exact(2)) {
        *byte = u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()?;
    }
    Some(digest)
}
