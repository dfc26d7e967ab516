//! A connection to a broker. It is not repaired: what was not acknowledged is sent again by a new one.

use std::sync::Arc;

use parking_lot::Mutex;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use super::Broker;
use super::acknowledgements::Acknowledgements;
use super::client::{self, Client, Ended, Events, Step};
use crate::deliveries::message::Message;
use crate::deliveries::receiver::Failure;

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

    /// Sends a message, and returns what tells of its acknowledgement. Only one caller at a time: messages are counted.
    ///
    /// # Errors
    /// [`Failure::Away`] if the connection has just ended.
    pub fn publish(
        &self,
        topic: String,
        message: &Message,
    ) -> Result<oneshot::Receiver<Result<(), Failure>>, Failure> {
        let mut waiting = self.waiting.lock();
        let ended = || Failure::Away("the connection was closed".to_owned());
        let done = waiting.give().ok_or_else(ended)?;
        if !self.client.publish(topic, message) {
            waiting.take_back();
            return Err(ended());
        }
        Ok(done)
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
