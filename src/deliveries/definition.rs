//! A sink: where messages go, and which.

use std::time::Duration;

use super::interest::Interest;
use super::pseudonyms::Pseudonyms;
use super::receiver::Receiver;
use super::status::Status;

/// A sink.
#[derive(Debug)]
pub struct Sink {
    /// Which messages it wants, and its name.
    pub interest: Interest,
    /// A message that has waited so long is given up after an attempt that fails.
    pub max_age: Duration,
    /// What replaces the names of people.
    pub(super) pseudonyms: Option<Pseudonyms>,
    /// Where messages go.
    pub(super) receiver: Receiver,
    /// How it goes.
    pub status: Status,
}

impl Sink {
    /// Its name.
    pub fn name(&self) -> &str {
        &self.interest.sink
    }

    /// `webhook`, `mqtt` or `folder`.
    pub const fn kind(&self) -> &'static str {
        self.receiver.kind()
    }
}
