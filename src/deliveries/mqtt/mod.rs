//! A broker of MQTT, version 3.1.1 or 5. Messages have quality of service 1 and are not retained.

mod acknowledgements;
mod client;
mod connection;
mod tls;

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Mutex;

use self::connection::Connection;
use super::message::Message;
use super::receiver::Failure;
use crate::config::Secret;

pub use self::tls::TlsFiles;

/// Maximum time from a message to its acknowledgement.
const TIME: Duration = Duration::from_secs(10);

/// Bytes of a message, at most. An answer about 16 images with all their regions has less.
const LARGEST: usize = 1 << 20;

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

/// A broker that takes messages. It is connected to when there is a message, and the connection stays.
#[derive(Debug)]
pub struct Mqtt {
    broker: Broker,
    connection: Mutex<Option<Connection>>,
}

impl Broker {
    /// The topic of a message. Names of lines have no character with a meaning in topics.
    fn topic_of(&self, line: &str, event: &str) -> String {
        let topic = self.topic.replace("{line}", line);
        topic.replace("{event}", event)
    }
}

impl Mqtt {
    /// A broker.
    pub const fn new(broker: Broker) -> Self {
        Self {
            broker,
            connection: Mutex::const_new(None),
        }
    }

    /// Sends a message.
    ///
    /// # Errors
    /// [`Failure`].
    pub async fn send(&self, message: &Message) -> Result<(), Failure> {
        if message.body.len() > LARGEST {
            return Err(Failure::Refused(format!(
                "{} bytes; a message has at most {LARGEST}",
                message.body.len()
            )));
        }
        let topic = self.broker.topic_of(&message.line, &message.event);
        let acknowledged = {
            let mut connection = self.connection.lock().await;
            let open = match connection.take().filter(Connection::is_open) {
                Some(open) => open,
                None => {
                    let connecting = Connection::open(&self.broker);
                    let connected = tokio::time::timeout(TIME, connecting).await;
                    connected.unwrap_or_else(|_| Err(no_answer("connection")))?
                }
            };
            let open = connection.insert(open);
            open.publish(topic, message)?
        };
        match tokio::time::timeout(TIME, acknowledged).await {
            Ok(Ok(done)) => done,
            Ok(Err(_)) => Err(Failure::Away("the connection was closed".to_owned())),
            Err(_) => {
                // What is on the way may still arrive: a new connection keeps the order.
                *self.connection.lock().await = None;
                Err(no_answer("acknowledgement"))
            }
        }
    }
}

fn no_answer(what: &str) -> Failure {
    Failure::Away(format!("no {what} within {} s", TIME.as_secs()))
}
