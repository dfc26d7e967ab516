//! How to reach a broker.

use std::sync::Arc;

use crate::config::Secret;

/// Bytes of a message, at most. An answer about 16 images with all their regions has less.
pub const LARGEST: usize = 1 << 20;

/// Versions of the protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Version {
    /// 3.1.1.
    V3,
    /// 5: messages have their id as a property, and the broker may refuse a single one.
    V5,
}

/// How to reach a broker, and where messages go.
#[derive(Debug)]
pub struct Broker {
    /// Host name or address.
    pub host: String,
    /// Port.
    pub port: u16,
    /// TLS, unless it is plain TCP.
    pub tls: Option<Arc<rustls::ClientConfig>>,
    /// Version of the protocol.
    pub version: Version,
    /// What the broker knows the connection by.
    pub client_id: String,
    /// Name and password.
    pub login: Option<(String, Secret)>,
    /// With `{line}` and `{event}`.
    pub topic: String,
}

impl Broker {
    /// The topic of a message. Names of lines have no character with a meaning in topics.
    pub fn topic_of(&self, line: &str, event: &str) -> String {
        let topic = self.topic.replace("{line}", line);
        topic.replace("{event}", event)
    }
}
