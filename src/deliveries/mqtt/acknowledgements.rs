//! Which acknowledgement is that of which message: the client numbers messages in the order in which it got them.

use std::collections::{HashMap, VecDeque};

use tokio::sync::oneshot;

use crate::deliveries::failure::Failure;

/// What becomes of a message.
type Waiter = oneshot::Sender<Result<(), Failure>>;

/// Messages whose acknowledgement has not come.
#[derive(Debug, Default)]
pub struct Acknowledgements {
    /// Those that have no number yet, in order.
    given: VecDeque<Waiter>,
    /// By number.
    sent: HashMap<u16, Waiter>,
    is_closed: bool,
}

impl Acknowledgements {
    /// A message is given to the client. `None` if the connection is closed.
    pub fn give(&mut self) -> Option<oneshot::Receiver<Result<(), Failure>>> {
        if self.is_closed {
            return None;
        }
        let (waiter, done) = oneshot::channel();
        self.given.push_back(waiter);
        Some(done)
    }

    /// The client did not take the message that was given last.
    pub fn take_back(&mut self) {
        self.given.pop_back();
    }

    /// The client has sent the next message, with a number.
    pub fn sent(&mut self, number: u16) {
        if let Some(waiter) = self.given.pop_front() {
            self.sent.insert(number, waiter);
        }
    }

    /// The broker has acknowledged or refused a message.
    pub fn done(&mut self, number: u16, result: Result<(), Failure>) {
        if let Some(waiter) = self.sent.remove(&number) {
            // Nobody waits for it any longer: that is no error.
            let _ = waiter.send(result);
        }
    }

    /// The connection ended: what is not acknowledged has failed. If the client found the message that it had to send too
    /// large, that one was refused, and `refused` says so.
    pub fn close(&mut self, reason: &str, refused: Option<String>) {
        self.is_closed = true;
        if let (Some(refused), Some(waiter)) = (refused, self.given.pop_front()) {
            let _ = waiter.send(Err(Failure::Refused(refused)));
        }
        let sent = self.sent.drain().map(|(_, waiter)| waiter);
        for waiter in sent.chain(self.given.drain(..)) {
            let _ = waiter.send(Err(Failure::Away(reason.to_owned())));
        }
    }

    /// Whether the connection has ended.
    pub const fn is_closed(&self) -> bool {
        self.is_closed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_given_in_order_and_acknowledged_in_any() {
        let mut all = Acknowledgements::default();
        let mut waits: Vec<_> = (0..4).map(|_| all.give().unwrap()).collect();
        all.sent(7);
        all.sent(8);
        all.done(8, Ok(()));
        all.done(9, Ok(()));
        all.close("gone", Some("too large".to_owned()));
        let mut found = waits.iter_mut().map(|wait| wait.try_recv().unwrap());
        assert_eq!(found.next(), Some(Err(Failure::Away("gone".to_owned()))));
        assert_eq!(found.next(), Some(Ok(())));
        let refused = Failure::Refused("too large".to_owned());
        assert_eq!(found.next(), Some(Err(refused)));
        assert_eq!(found.next(), Some(Err(Failure::Away("gone".to_owned()))));
        assert!(all.give().is_none());
    }
}
