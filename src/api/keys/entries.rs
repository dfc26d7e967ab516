//! Reads API keys from a file or from the environment.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;

use serde::Deserialize;
use sha2::{Digest, Sha256};
use tokio::sync::Semaphore;

use super::key::{Key, KeyError};
use super::role::Role;
use crate::byte_order_mark;
use crate::config::Secret;
use crate::engine::{Lane, Tenant};

/// Minimum length; a shorter key could be guessed.
const SHORTEST: usize = 16;

/// The file: `[[key]]` tables.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct KeyFile {
    #[serde(default)]
    key: Vec<KeyEntry>,
}

/// A key as it is written.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct KeyEntry {
    name: String,
    /// The key itself,
    key: Option<Secret>,
    /// or the SHA-256 of it in hexadecimal digits.
    sha256: Option<String>,
    #[serde(default)]
    lane: Option<String>,
    #[serde(default)]
    max_requests: Option<usize>,
    #[serde(default)]
    roles: Vec<String>,
}

/// The keys of the environment: `name=key` with commas between.
pub(super) fn from_environment(text: &Secret) -> Result<Vec<KeyEntry>, KeyError> {
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
                .ok_or_else(|| invalid("it is name=key, with commas between several"))?;
            Ok(KeyEntry {
                name: name.trim().to_owned(),
                key: Some(Secret::from(key.trim().to_owned())),
                sha256: None,
                lane: None,
                max_requests: None,
                roles: Vec::new(),
            })
        })
        .collect()
}

/// The keys of the file.
pub(super) fn from_file(path: &Path) -> Result<Vec<KeyEntry>, KeyError> {
    let text = std::fs::read_to_string(path).map_err(|reason| KeyError::Unreadable {
        path: path.to_owned(),
        reason,
    })?;
    let text = byte_order_mark::dropped_from(&text);
    let file: KeyFile = toml::from_str(text).map_err(|error| {
        // The parser's own text would show the line, and with it a key.
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

/// Checks entries and makes keys of them. A key whose name and limit are as before keeps its places.
pub(super) fn checked(entries: Vec<KeyEntry>, before: &[Key]) -> Result<Vec<Key>, String> {
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
                    "{name:?}: a key has at least {SHORTEST} characters"
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
                    .ok_or_else(|| format!("{name:?}: the lane is interactive or bulk"))?,
            ),
        };
        let limit = match entry.max_requests {
            None => None,
            Some(0) => return Err(format!("{name:?}: max_requests is at least 1")),
            Some(most) => {
                let kept = before.iter().find(|key| key.name == name);
                let kept = kept.and_then(|key| key.limit.clone());
                let kept = kept.filter(|(known, _)| *known == most);
                Some(kept.unwrap_or_else(|| (most, Arc::new(Semaphore::new(most)))))
            }
        };
        let roles = entry.roles.iter().map(|role| {
            Role::from_name(role).ok_or_else(|| {
                format!("{name:?}: the roles are inspect, review, calibrate and admin")
            })
        });
        let roles = roles.collect::<Result<_, _>>()?;
        keys.push(Key {
            tenant: tenant(&name),
            roles,
            name,
            digest,
            lane,
            limit,
        });
    }
    Ok(keys)
}

/// The same after the keys were read again.
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
