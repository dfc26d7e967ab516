//! A broker of MQTT, version 3.1.1 or 5. Messages have quality of service 1 and are not retained.

mod acknowledgements;
mod broker;
mod client;
mod connection;
mod tls;

use std::time::Duration;

use tokio::sync::Mutex;
use tokio::time::Instant;

use self::broker::LARGEST;
use self::connection::{Connection, OnItsWay};
use super::failure::Failure;
use super::message::Message;

pub use self::broker::{Broker, Version};
pub use self::tls::TlsFiles;

/// Maximum time of a message, with the connection that it may need, until its acknowledgement.
const TIME: Duration = Duration::from_secs(10);

/// A broker that takes messages. It is connected to when there is a message, and the connection stays.
#[derive(Debug)]
pub struct Mqtt {
    broker: Broker,
    connection: Mutex<Option<Connection>>,
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
        let until = Instant::now() + TIME;
        let sending = self.publish(topic, message);
        let sent = tokio::time::timeout_at(until, sending).await;
        let (acknowledged, sent_on) = sent.unwrap_or_else(|_| Err(no_answer("connection")))?;
        match tokio::time::timeout_at(until, acknowledged).await {
            Ok(Ok(done)) => done,
            Ok(Err(_)) => Err(Failure::Away("the connection was closed".to_owned())),
            Err(_) => {
                // What is on the way may still arrive: a new connection keeps the order.
                let failure = no_answer("acknowledgement");
                sent_on.lock().close(failure.reason(), None);
                Err(failure)
            }
        }
    }

    /// Sends a message on the connection, which is made if there is none.
    async fn publish(&self, topic: String, message: &Message) -> Result<OnItsWay, Failure> {
        let mut connection = self.connection.lock().await;
        let open = match connection.take().filter(Connection::is_open) {
            Some(open) => open,
            None => Connection::open(&self.broker).await?,
        };
        connection.insert(open).publish(topic, message)
    }
}

fn no_answer(what: &str) -> Failure {
    Failure::Away(format!("no {what} within {} s", TIME.as_secs()))
}
