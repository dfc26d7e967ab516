//! Streams of requests: each message is answered, in order, as fast as both sides can process them.

use std::pin::Pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::{Stream, StreamExt};
use tonic::{Request, Status, Streaming};

use super::message_share::SharedBytes;
use super::patience::{Activity, while_heard};
use super::{options, proto};
use crate::api::{ApiError, AppState};
use crate::engine::{EmbedOptions, Lane};
use crate::error_code::Code;

/// Pause between two tries of a message when the queue is full.
const PAUSE: Duration = Duration::from_millis(20);

/// The answer to a message.
#[derive(Debug)]
pub struct Answered<A> {
    /// Index of the message in the stream.
    pub index: u64,
    /// The answer, or the fault of this message alone.
    pub result: Result<A, proto::Error>,
}

/// Answers in the order of the messages.
pub type Answers<A> = Pin<Box<dyn Stream<Item = Result<Answered<A>, Status>> + Send>>;

/// Answers the messages of a stream, at most `window` of them at a time. The stream ends when the client ends it, when it is
/// idle for longer than the time limit of a request, or with the first failure that does not concern one message alone.
///
/// # Errors
/// `INVALID_ARGUMENT` for invalid metadata.
pub fn answered<M, A, Answering>(
    state: Arc<AppState>,
    request: Request<Streaming<M>>,
    usual: Lane,
    window: usize,
    answer: impl Fn(Arc<AppState>, M, EmbedOptions) -> Answering + Send + 'static,
) -> Result<Answers<A>, Status>
where
    M: Send + 'static,
    A: Send + 'static,
    Answering: Future<Output = Result<A, ApiError>> + Send + 'static,
{
    let options = options::read(request.metadata(), request.extensions(), usual, false, None)?;
    let share = request.extensions().get::<SharedBytes>().cloned();
    let activity = Activity::begin();
    let messages = while_heard(request.into_inner(), activity.clone(), state.request_time);
    let answers = messages.enumerate().map(move |(index, message)| {
        let answering = message.map(|message| answer(state.clone(), message, options));
        let activity = activity.clone();
        let cost = share.as_ref().map(SharedBytes::next_message);
        async move {
            let answer = answering?.await;
            activity.answered();
            drop(cost);
            let result = match answer {
                Ok(answer) => Ok(answer),
                Err(error) if is_the_message_s(&error) => Err(proto::Error {
                    code: error.code.name().to_owned(),
                    message: error.message,
                }),
                Err(error) => return Err(error.into()),
            };
            Ok(Answered {
                index: index as u64,
                result,
            })
        }
    });
    Ok(Box::pin(answers.buffered(window)))
}

/// Repeats a call while the queue is full, until the deadline: accepted messages are never lost, and a full queue only slows
/// down reading.
///
/// # Errors
/// Those of the call.
pub async fn when_there_is_room<A, Calling>(
    deadline: Option<Instant>,
    call: impl Fn() -> Calling,
) -> Result<A, ApiError>
where
    Calling: Future<Output = Result<A, ApiError>>,
{
    loop {
        let answer = call().await;
        let full = answer
            .as_ref()
            .is_err_and(|error| error.code == Code::Overloaded);
        let in_time = deadline.is_none_or(|deadline| Instant::now() < deadline);
        if !(full && in_time) {
            return answer;
        }
        tokio::time::sleep(PAUSE).await;
    }
}

/// Whether an error concerns only one message, so that the others can continue.
fn is_the_message_s(error: &ApiError) -> bool {
    error.status().is_client_error() && !matches!(error.code.status(), 408 | 429)
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    fn failing(
        times: u32,
        code: Code,
    ) -> (Cell<u32>, impl Fn(&Cell<u32>) -> Result<u32, ApiError>) {
        let call = move |calls: &Cell<u32>| {
            calls.set(calls.get() + 1);
            if calls.get() > times {
                Ok(calls.get())
            } else {
                Err(ApiError::new(code, "failed"))
            }
        };
        (Cell::new(0), call)
    }

    #[tokio::test]
    async fn a_full_queue_is_waited_for_and_other_failures_are_not() {
        let (calls, call) = failing(2, Code::Overloaded);
        let answer = when_there_is_room(None, || async { call(&calls) }).await;
        assert_eq!(answer.unwrap(), 3);

        let (calls, call) = failing(2, Code::Overloaded);
        let answer = when_there_is_room(Some(Instant::now()), || async { call(&calls) }).await;
        assert_eq!(answer.unwrap_err().code, Code::Overloaded);

        let (calls, call) = failing(2, Code::InvalidRequest);
        let answer = when_there_is_room(None, || async { call(&calls) }).await;
        assert_eq!(answer.unwrap_err().code, Code::InvalidRequest);
        assert_eq!(calls.get(), 1);
    }
}
