//! How long a stream waits for an idle client: its place among the server's requests is not kept for ever.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures_util::Stream;
use futures_util::stream;
use tokio::time::{Instant, sleep_until};
use tonic::Status;

use crate::api::ApiError;
use crate::error_code::Code;

/// A timer of a stream that is listened to is never so late.
const LATE: Duration = Duration::from_secs(1);

/// What is going on in a stream.
#[derive(Clone)]
pub struct Activity(Arc<Mutex<State>>);

struct State {
    /// Items that are being worked on.
    open: usize,
    /// When an item came or was answered last.
    last: Instant,
}

impl Activity {
    /// Of a stream that begins now.
    pub fn begin() -> Self {
        let last = Instant::now();
        Self(Arc::new(Mutex::new(State { open: 0, last })))
    }

    /// An item is answered.
    pub fn answered(&self) {
        self.note(|open| open.saturating_sub(1));
    }

    fn came(&self) {
        self.note(|open| open + 1);
    }

    fn note(&self, open: impl Fn(usize) -> usize) {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        state.open = open(state.open);
        state.last = Instant::now();
    }

    /// Returns when nothing was received and nothing was done for this long.
    async fn silence(&self, patience: Duration) {
        let mut since = Instant::now();
        loop {
            let due = since + patience;
            sleep_until(due).await;
            let (open, last) = {
                let state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
                (state.open, state.last)
            };
            let now = Instant::now();
            // A client that takes no answers is not listened to: this was not asked on, and wakes late.
            let was_listening = now < due + LATE;
            if open == 0 && last <= since && was_listening {
                return;
            }
            // With items under way, the client may well wait for them.
            since = if open == 0 && was_listening {
                last
            } else {
                now
            };
        }
    }
}

/// The same messages; ends with 408 `request_timeout` when the client sends none for `patience` while none of its items is
/// being worked on.
pub fn while_heard<T>(
    messages: impl Stream<Item = Result<T, Status>> + Unpin,
    activity: Activity,
    patience: Duration,
) -> impl Stream<Item = Result<T, Status>> {
    stream::unfold(Some((messages, activity)), move |state| async move {
        use futures_util::StreamExt;
        let (mut messages, activity) = state?;
        tokio::select! {
            biased;
            message = messages.next() => {
                let message = message?;
                activity.came();
                Some((message, Some((messages, activity))))
            }
            () = activity.silence(patience) => Some((Err(silent(patience)), None)),
        }
    })
}

fn silent(patience: Duration) -> Status {
    let seconds = patience.as_secs();
    let message =
        format!("no item came for {seconds} s, and all were answered; begin a new stream");
    ApiError::new(Code::RequestTimeout, message).into()
}
