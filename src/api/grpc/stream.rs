//! `EmbedStream`: items in, embeddings out, in order, as fast as both sides can.

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

/// Items of a stream that are worked on at a time: enough for full batches. No more is read before one is answered, and none
/// is answered before the client has taken the last, so that a slow client slows its own stream.
const WINDOW: usize = 32;

/// Between two tries of an item that found the queue full.
const PAUSE: Duration = Duration::from_millis(20);

type Answers = Pin<Box<dyn Stream<Item = Result<proto::EmbedStreamResponse, Status>> + Send>>;

/// Answers a stream. Its lane is bulk unless its metadata say otherwise. It ends when the client says so, or says nothing
/// for as long as a request may take.
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
                        convert::usage(found.cost),
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
        // What is taken in is not lost: a full queue is a reason to read more slowly.
        tokio::time::sleep(PAUSE).await;
    }
}

/// Whether an error is about one item, and the others can go on.
fn is_the_item_s(error: &ApiError) -> bool {
    error.status().is_client_error() && !matches!(error.code.status(), 408 | 429)
}
