//! What a client can ask for, whatever protocol it speaks: typed questions in, typed answers out. REST and gRPC only
//! translate.

mod classify;
mod embed;
pub mod infer;
mod rerank;
mod similarity;

pub use classify::{
    Classification, Classified, ClassifyCall, Decision, LabelScore, Labels, classify,
};
pub use embed::{EmbedCall, Embeddings, embed};
pub use rerank::{Document, RankedDocument, RerankCall, Reranked, rerank};
pub use similarity::{Similarities, SimilarityCall, similarity};

use super::ApiError;
use crate::engine::{EmbedOptions, Embedded, Embedding, ImageSource, Item, Model};

/// What a call cost.
#[derive(Debug, Clone, Copy, Default)]
pub struct Cost {
    /// Tokens that the text encoder read, start and end tokens included.
    pub tokens: usize,
    /// Tokens of texts beyond the model's context, which were cut off.
    pub truncated: usize,
}

impl From<&Embedded> for Cost {
    fn from(embedded: &Embedded) -> Self {
        Self {
            tokens: embedded.tokens,
            truncated: embedded.truncated,
        }
    }
}

/// 400 `too_many_items` if a call holds more items than the server takes.
fn check_items(items: usize, most: usize) -> Result<(), ApiError> {
    if items <= most {
        return Ok(());
    }
    let message =
        format!("the request has {items} items, at most {most} are taken; send it in parts");
    Err(ApiError::bad_request("too_many_items", message))
}

fn no_images() -> ApiError {
    ApiError::bad_request("no_images", "at least one image is needed").at("images")
}

/// Embeds images and texts as one request; an error names `images[i]` or the texts' field.
async fn embed_both(
    model: &Model,
    images: Vec<ImageSource>,
    texts: &[String],
    texts_field: &str,
    options: EmbedOptions,
) -> Result<(Vec<Embedding>, Vec<Embedding>, Cost), ApiError> {
    let count = images.len();
    let texts = texts.iter().cloned().map(Item::Text);
    let items = images.into_iter().map(Item::Image).chain(texts).collect();
    let mut embedded = model.embed(items, options).await.map_err(|error| {
        ApiError::from_embed(error, |i| match i.checked_sub(count) {
            None => format!("images[{i}]"),
            Some(text) => format!("{texts_field}[{text}]"),
        })
    })?;
    let cost = Cost::from(&embedded);
    let texts = embedded.embeddings.split_off(count);
    Ok((embedded.embeddings, texts, cost))
}
