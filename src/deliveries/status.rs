//! How it goes with a sink, for people.

use parking_lot::Mutex;

use crate::database::now;
use crate::quoted::cut;

/// The last attempt that failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LastError {
    /// Milliseconds since 1970.
    pub at: i64,
    /// Why, cut.
    pub reason: String,
}

/// What is known of a sink.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SinkState {
    /// Whether the receiver answered the last attempt; `None` before the first one.
    pub connected: Option<bool>,
    /// Whether this server delivers to it: of those that share a database, one does.
    pub delivers: bool,
    /// The last attempt that failed.
    pub last_error: Option<LastError>,
}

/// The state of a sink, which its courier changes.
#[derive(Debug, Default)]
pub struct Status(Mutex<SinkState>);

impl Status {
    /// As it is now.
    pub fn now(&self) -> SinkState {
        self.0.lock().clone()
    }

    pub(super) fn delivers(&self, delivers: bool) {
        self.0.lock().delivers = delivers;
    }

    pub(super) fn succeeded(&self) {
        self.0.lock().connected = Some(true);
    }

    /// Notes a failure. Returns whether the receiver was there before.
    pub(super) fn failed(&self, is_there: bool, reason: &str) -> bool {
        let mut state = self.0.lock();
        let before = state.connected;
        state.connected = Some(is_there);
        state.last_error = Some(LastError {
            at: now(),
            reason: cut(reason.to_owned()),
        });
        before != Some(false)
    }
}
