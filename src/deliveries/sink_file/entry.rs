//! A sink as it is written.

use std::path::PathBuf;

use serde::Deserialize;

/// A sink as it is written.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Entry {
    pub name: String,
    pub kind: Kind,
    pub url: Option<String>,
    pub secret_file: Option<PathBuf>,
    pub topic: Option<String>,
    pub version: Option<u8>,
    pub client_id: Option<String>,
    pub user: Option<String>,
    pub password_file: Option<PathBuf>,
    pub ca_file: Option<PathBuf>,
    pub certificate_file: Option<PathBuf>,
    pub key_file: Option<PathBuf>,
    pub path: Option<PathBuf>,
    pub lines: Option<Vec<String>>,
    pub events: Option<Vec<String>>,
    pub decisions: Option<Vec<String>>,
    pub pseudonym_key_file: Option<PathBuf>,
    pub max_age_hours: Option<u32>,
}

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    Webhook,
    Mqtt,
    Folder,
}
