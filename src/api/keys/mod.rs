//! API keys: who may call the server, in which lane, with how many concurrent requests, and what they may do with lines.

mod caller;
mod entries;
mod key;
mod role;

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use axum::http::{HeaderMap, header};
use parking_lot::RwLock;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

pub use self::caller::{Caller, MayCalibrate};
use self::entries::{checked, from_environment, from_file};
use self::key::Key;
pub use self::key::KeyError;
pub use self::role::Role;
use super::ApiError;
use crate::config::Secret;

use crate::error_code::Code;
use crate::file_watch::FileWatch;

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
        let mut keys = self.keys.write();
        let new = checked(entries, keys.as_deref().unwrap_or_default());
        *keys = Some(new.map_err(|reason| KeyError::Invalid { place, reason })?);
        Ok(())
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
        let keys = self.keys.read();
        keys.as_ref().map_or(0, Vec::len)
    }

    /// Identifies the caller. `None` if no keys are configured.
    ///
    /// # Errors
    /// 401 without a key or with a wrong one, 429 if the key has too many requests.
    pub fn check(&self, headers: &HeaderMap) -> Result<Option<Caller>, ApiError> {
        let keys = self.keys.read();
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
            roles: key.roles.clone(),
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
