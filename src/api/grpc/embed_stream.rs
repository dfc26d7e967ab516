//! `EmbedStream`: items in, embeddings out.

use std::pin::Pin;
use std::sync::Arc;

use futures_util::{Stream, TryStreamExt};
use tonic::{Request, Status, Streaming};

use super::proto::embed_stream_response::Result as Outcome;
use super::streamed::{Answered, answered, when_there_is_room};
use super::{convert, proto};
use crate::api::{ApiError, AppState};
use crate::calls::{self, EmbedCall, Embeddings};
use crate::engine::{EmbedOptions, Lane};
use crate::error_code::Code;

/// Number of items of a stream in flight: enough for full batches. No further item is read before one is answered, and no
/// answer is sent before the client has read the previous one, so a slow client slows only its own stream.
const WINDOW: usize = 32;

type Answers = Pin<Box<dyn Stream<Item = Result<proto::EmbedStreamResponse, Status>> + Send>>;

/// Answers a stream. The default lane is bulk.
///
/// # Errors
/// `INVALID_ARGUMENT` for invalid metadata.
pub fn embed(
    state: Arc<AppState>,
    request: Request<Streaming<proto::EmbedStreamRequest>>,
) -> Result<Answers, Status> {
    let answers = answered(state, request, Lane::Bulk, WINDOW, one)?;
    Ok(Box::pin(answers.map_ok(message)))
}

async fn one(
    state: Arc<AppState>,
    message: proto::EmbedStreamRequest,
    options: EmbedOptions,
) -> Result<Embeddings, ApiError> {
    let invalid = |_| ApiError::new(Code::InvalidRequest, "an item is a text or an image");
    let item = convert::item(message.item, || "item".to_owned()).map_err(invalid)?;
    let model = convert::name(message.model);
    let images = convert::image_options(message.image_options)?;
    when_there_is_room(options.deadline, || {
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
        calls::embed(&state, call)
    })
    .await
}

fn message(answered: Answered<Embeddings>) -> proto::EmbedStreamResponse {
    let (result, usage, warnings) = match answered.result {
        Ok(mut found) => {
            let values = found.vectors.pop().unwrap_or_default();
            (
                Outcome::Embedding(proto::Embedding { values }),
                convert::usage(found.tokens),
                convert::warnings(found.warnings),
            )
        }
        Err(error) => (Outcome::Error(error), None, vec![]),
    };
    proto::EmbedStreamResponse {
        index: answered.index,
        result: Some(result),
        usage,
        warnings,
    }
}
