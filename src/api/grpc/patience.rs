//! The idle timeout of streams, so that an idle stream does not hold its slot forever.

use std::sync::Arc;
use std::time::Duration;

use futures_util::Stream;
use futures_util::stream;
use parking_lot::Mutex;
use tokio::time::{Instant, sleep_until};
use tonic::Status;

use crate::api::ApiError;
use crate::error_code::Code;

/// The timer of a stream that is polled is never this late.
const LATE: Duration = Duration::from_secs(1);

/// The activity of a stream.
#[derive(Clone)]
pub struct Activity(Arc<Mutex<State>>);

struct State {
    /// Number of items in progress.
    open: usize,
    /// Time of the last item or answer.
    last: Instant,
}

impl Activity {
    /// For a stream that begins now.
    pub fn begin() -> Self {
        let last = Instant::now();
        Self(Arc::new(Mutex::new(State { open: 0, last })))
    }

    /// Records that an item was answered.
    pub fn answered(&self) {
        self.note(|open| open.saturating_sub(1));
    }

    fn came(&self) {
        self.note(|open| open + 1);
    }

    fn note(&self, open: impl Fn(usize) -> usize) {
        let mut state = self.0.lock();
        state.open = open(state.open);
        state.last = Instant::now();
    }

    /// Returns when nothing was received and no item was in progress for this time.
    async fn silence(&self, patience: Duration) {
        let mut since = Instant::now();
        loop {
            let due = since + patience;
            sleep_until(due).await;
            let (open, last) = {
                let state = self.0.lock();
                (state.open, state.last)
            };
            let now = Instant::now();
            // A stream whose client does not read answers is not polled, so this timer wakes late.
            let was_listening = now < due + LATE;
            if open == 0 && last <= since && was_listening {
                return;
            }
            // With items in progress, the client may be waiting for them.
            since = if open == 0 && was_listening {
                last
            } else {
                now
            };
        }
    }
}

/// Passes on the messages; ends with 408 `request_timeout` if the client sends none for `patience` while no item is in
/// progress.
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
