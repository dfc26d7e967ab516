//! A receiver of messages.

use super::failure::Failure;
use super::folder::Folder;
use super::message::Message;
use super::mqtt::Mqtt;
use super::webhook::Webhook;

/// Where a sink's messages go.
#[derive(Debug)]
pub enum Receiver {
    /// HTTP requests.
    Webhook(Webhook),
    /// A broker.
    Mqtt(Mqtt),
    /// Files.
    Folder(Folder),
}

impl Receiver {
    /// Sends a message. It is acknowledged when this returns.
    ///
    /// # Errors
    /// [`Failure`].
    pub async fn send(&self, message: &Message) -> Result<(), Failure> {
        match self {
            Self::Webhook(webhook) => webhook.send(message).await,
            Self::Mqtt(mqtt) => mqtt.send(message).await,
            Self::Folder(folder) => folder.send(message).await,
        }
    }

    /// As it is written in the file of sinks.
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Webhook(_) => "webhook",
            Self::Mqtt(_) => "mqtt",
            Self::Folder(_) => "folder",
        }
    }
}
