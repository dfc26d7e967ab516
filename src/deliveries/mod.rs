//! What inspection lines decide, sent to the machines of the plant: to webhooks, brokers of MQTT, and folders.
//!
//! ```text
//! inspection, verdict, alarm → row of the outbox (same transaction) → courier of the sink → receiver → row deleted
//! ```
//!
//! A row is deleted when the receiver has acknowledged the message, so each message arrives at least once, also if the server
//! is killed. The messages of a line are sent one after another, in the order of their ids.

mod courier;
mod couriers;
mod dead_letters;
mod definition;
mod error;
mod failure;
mod folder;
mod interest;
mod lease;
mod message;
mod mqtt;
mod outbox;
mod pauses;
mod pending;
mod pseudonyms;
mod receiver;
mod secret_file;
mod signature;
mod sink_file;
mod status;
mod turn;
mod webhook;

pub use self::couriers::Couriers;
pub use self::dead_letters::{DeadLetter, DeadPage};
pub use self::definition::Sink;
pub use self::error::SinkError;
pub use self::interest::{Interest, Occasion};
pub use self::outbox::{News, Outbox};
pub use self::pending::Backlog;
pub use self::pseudonyms::Pseudonyms;
pub use self::status::{LastError, SinkState, Status};
