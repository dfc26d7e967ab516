//! A connection to a broker. It is not repaired: what was not acknowledged is sent again by a new one.

use std::sync::Arc;

use parking_lot::Mutex;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use super::acknowledgements::Acknowledgements;
use super::broker::Broker;
use super::client::{self, Client, Ended, Events, Step};
use crate::deliveries::failure::Failure;
use crate::deliveries::message::Message;

/// What tells of the acknowledgement of a message, and all that wait for one on the same connection.
pub type OnItsWay = (
    oneshot::Receiver<Result<(), Failure>>,
    Arc<Mutex<Acknowledgements>>,
);

/// A connection that the broker has accepted.
#[derive(Debug)]
pub struct Connection {
    client: Client,
    waiting: Arc<Mutex<Acknowledgements>>,
    working: JoinHandle<()>,
}

impl Connection {
    /// Connects.
    ///
    /// # Errors
    /// [`Failure::Away`].
    pub async fn open(broker: &Broker) -> Result<Self, Failure> {
        let (client, mut events) = client::new(broker);
        loop {
            match events.next().await {
                Ok(Step::Connected) => break,
                Ok(_) => {}
                Err(ended) => return Err(Failure::Away(ended.reason)),
            }
        }
        let waiting: Arc<Mutex<Acknowledgements>> = Arc::default();
        let working = tokio::spawn(work(events, waiting.clone()));
        Ok(Self {
            client,
            waiting,
            working,
        })
    }

    /// Whether it has not ended yet.
    pub fn is_open(&self) -> bool {
        !self.waiting.lock().is_closed()
    }

    /// Sends a message. Only one caller at a time: messages are counted.
    ///
    /// # Errors
    /// [`Failure::Away`] if the connection has just ended.
    pub fn publish(&self, topic: String, message: &Message) -> Result<OnItsWay, Failure> {
        let mut waiting = self.waiting.lock();
        let ended = || Failure::Away("the connection was closed".to_owned());
        let done = waiting.give().ok_or_else(ended)?;
        if !self.client.publish(topic, message) {
            waiting.take_back();
            return Err(ended());
        }
        Ok((done, self.waiting.clone()))
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.working.abort();
    }
}

async fn work(mut events: Events, waiting: Arc<Mutex<Acknowledgements>>) {
    loop {
        let step = events.next().await;
        let mut waiting = waiting.lock();
        match step {
            Ok(Step::Sent(number)) => waiting.sent(number),
            Ok(Step::Done(number, result)) => waiting.done(number, result),
            Ok(Step::Connected | Step::Other) => {}
            Err(Ended { reason, too_large }) => {
                let refused = too_large.then(|| reason.clone());
                waiting.close(&reason, refused);
                return;
            }
        }
    }
}
