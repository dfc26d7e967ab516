//! `EmbedStream`: items in, embeddings out, in order, as fast as both sides can process them.

use std::pin::Pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::{Stream, StreamExt};
use tonic::{Request, Status, Streaming};

use super::message_share::SharedBytes;
use super::patience::{Activity, while_heard};
use super::proto::embed_stream_response::Result as Outcome;
use super::{convert, options, proto};
use crate::api::{ApiError, AppState};
use crate::calls::{self, EmbedCall, Embeddings};
use crate::engine::{EmbedOptions, Lane};
use crate::error_code::Code;

/// Number of items of a stream in flight: enough for full batches. No further item is read before one is answered, and no
/// answer is sent before the client has read the previous one, so a slow client slows only its own stream.
const WINDOW: usize = 32;

/// Pause between two tries of an item when the queue is full.
const PAUSE: Duration = Duration::from_millis(20);

type Answers = Pin<Box<dyn Stream<Item = Result<proto::EmbedStreamResponse, Status>> + Send>>;

/// Answers a stream. The default lane is bulk. The stream ends when the client ends it, or when it is idle for longer than
/// the time limit of a request.
pub fn embed(
    state: Arc<AppState>,
    request: Request<Streaming<proto::EmbedStreamRequest>>,
) -> Result<Answers, Status> {
    let options = options::read(
        request.metadata(),
        request.extensions(),
        Lane::Bulk,
        false,
        None,
    )?;
    let share = request.extensions().get::<SharedBytes>().cloned();
    let activity = Activity::begin();
    let messages = while_heard(request.into_inner(), activity.clone(), state.request_time);
    let answers = messages.enumerate().map(move |(index, message)| {
        let (state, activity) = (state.clone(), activity.clone());
        let cost = share.as_ref().map(SharedBytes::next_message);
        async move {
            let message = message?;
            let answer = answer(&state, message, options).await;
            activity.answered();
            drop(cost);
            let (result, usage, warnings) = match answer {
                Ok(mut found) => {
                    let values = found.vectors.pop().unwrap_or_default();
                    let embedding = Outcome::Embedding(proto::Embedding { values });
                    (
                        embedding,
                        convert::usage(found.tokens),
                        convert::warnings(found.warnings),
                    )
                }
                Err(error) if is_the_item_s(&error) => {
                    let (code, message) = (error.code.name().to_owned(), error.message);
                    (Outcome::Error(proto::Error { code, message }), None, vec![])
                }
                Err(error) => return Err(error.into()),
            };
            Ok(proto::EmbedStreamResponse {
                index: index as u64,
                result: Some(result),
                usage,
                warnings,
            })
        }
    });
    Ok(Box::pin(answers.buffered(WINDOW)))
}

async fn answer(
    state: &AppState,
    message: proto::EmbedStreamRequest,
    options: EmbedOptions,
) -> Result<Embeddings, ApiError> {
    let invalid = |_| ApiError::new(Code::InvalidRequest, "an item is a text or an image");
    let item = convert::item(message.item, || "item".to_owned()).map_err(invalid)?;
    let model = convert::name(message.model);
    let images = convert::image_options(message.image_options)?;
    loop {
        let call = EmbedCall {
            model: model.clone(),
            items: vec![item.clone()],
            dimensions: message.dimensions.map(|d| d as usize),
            options: EmbedOptions {
                truncate: !message.refuse_long_texts,
                images,
                ..options
            },
            field: "item",
        };
        let answer = calls::embed(state, call).await;
        let full = answer
            .as_ref()
            .is_err_and(|error| error.code == Code::Overloaded);
        let in_time = options
            .deadline
            .is_none_or(|deadline| Instant::now() < deadline);
        if !(full && in_time) {
            return answer;
        }
        // Accepted items are never lost: a full queue only slows down reading.
        tokio::time::sleep(PAUSE).await;
    }
}

/// Whether an error concerns only one item, so that the others can continue.
pub(super) fn is_the_item_s(error: &ApiError) -> bool {
    error.status().is_client_error() && !matches!(error.code.status(), 408 | 429)
}
