//! What the messages of a request hold of the byte budget.

use std::collections::VecDeque;
use std::sync::Arc;

use parking_lot::Mutex;

use crate::api::ApiError;
use crate::api::byte_share::ByteShare;
use crate::api::lease::Lease;

/// What a gRPC request holds of the byte budget, by message.
#[derive(Debug, Clone)]
pub struct SharedBytes(Arc<Mutex<Shared>>);

#[derive(Debug)]
struct Shared {
    share: ByteShare,
    /// Costs of the messages that were handed on and not yet asked about, in order.
    handed_on: VecDeque<usize>,
}

impl SharedBytes {
    /// For one request.
    pub fn new(share: ByteShare) -> Self {
        let handed_on = VecDeque::new();
        Self(Arc::new(Mutex::new(Shared { share, handed_on })))
    }

    /// What gives way to others while the client is waited for.
    pub fn lease(&self) -> Arc<Lease> {
        self.0.lock().share.lease().clone()
    }

    /// Takes more bytes, or gives some back.
    ///
    /// # Errors
    /// As [`ByteShare::resize`].
    pub fn change(&self, from: usize, to: usize) -> Result<(), ApiError> {
        let share = &mut self.0.lock().share;
        share.resize((share.bytes() + to).saturating_sub(from))
    }

    /// Notes the cost of a message that is handed on.
    pub fn hand_on(&self, cost: usize) {
        self.0.lock().handed_on.push_back(cost);
    }

    /// The cost of the next message that was handed on, in their order. It stays held.
    pub fn take_cost(&self) -> Option<usize> {
        self.0.lock().handed_on.pop_front()
    }

    /// The cost of the next message of a stream, which is given back when the result is dropped. To be called once a message,
    /// in their order.
    pub fn next_message(&self) -> MessageShare {
        let bytes = self.take_cost().unwrap_or(0);
        MessageShare {
            shared: self.clone(),
            bytes,
        }
    }
}

/// What one message of a stream holds of the byte budget.
#[derive(Debug)]
pub struct MessageShare {
    shared: SharedBytes,
    bytes: usize,
}

impl Drop for MessageShare {
    fn drop(&mut self) {
        // Giving back cannot fail.
        let _ = self.shared.change(self.bytes, 0);
    }
}
