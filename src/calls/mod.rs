//! The operations of the server, independent of the protocol: typed requests and typed results. REST and gRPC only
//! translate.

use serde::Serialize;
use utoipa::ToSchema;

mod by_url;
mod classify;
mod embed;
pub mod infer;
mod labelset;
mod rerank;
mod similarity;
pub mod tensor;
pub mod tensor_shape;

pub use classify::{
    Classification, Classified, ClassifyCall, Decision, LabelScore, Labels, classify,
};
pub use embed::{EmbedCall, Embeddings, embed, embed_each};
pub use labelset::put_labelset;
pub use rerank::{Document, RankedDocument, RerankCall, Reranked, rerank};
pub use similarity::{Similarities, SimilarityCall, similarity};

use std::collections::HashMap;

use crate::api::answer_size::{self, OBJECT, of_text};
use crate::api::{ApiError, AppState};
use crate::engine::{EmbedOptions, Embedded, EmbeddedEach, Embedding, ImageSource, Item, Model};
use crate::error_code::Code;

/// The tokens of a call.
#[derive(Debug, Clone, Copy, Default)]
pub struct Cost {
    /// Tokens of the texts, including start and end tokens.
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

/// A note for the sender of an item that was processed.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Warning {
    /// A stable code, one per cause.
    #[schema(example = "values_in_low_bits")]
    pub code: &'static str,
    /// A message for people.
    pub message: &'static str,
    /// The item, named as in errors.
    #[schema(example = "images[2]")]
    pub param: String,
}

const IN_LOW_BITS: &str = "all values of this 16-bit image are below an eighth of the range, so that it was read as nearly black; \
                           if its camera has fewer bits, say how many in value_bits (16 if the image is meant to be so dark)";

/// The notes about the embedded items, counted before they are made.
fn warnings(
    state: &AppState,
    in_low_bits: &[usize],
    param_of: impl Fn(usize) -> String,
) -> Result<Vec<Warning>, ApiError> {
    let count = in_low_bits.len();
    if count == 0 {
        return Ok(Vec::new());
    }
    answer_size::reserve(state, count * (OBJECT + of_text(IN_LOW_BITS.len())))?;
    let warnings = in_low_bits.iter().map(|index| Warning {
        code: "values_in_low_bits",
        message: IN_LOW_BITS,
        param: param_of(*index),
    });
    Ok(warnings.collect())
}

impl From<&EmbeddedEach> for Cost {
    fn from(embedded: &EmbeddedEach) -> Self {
        Self {
            tokens: embedded.tokens,
            truncated: embedded.truncated,
        }
    }
}

/// 400 `too_many_items` if a call exceeds the maximum number of items.
fn check_items(items: usize, most: usize) -> Result<(), ApiError> {
    if items <= most {
        return Ok(());
    }
    let message =
        format!("the request has {items} items; at most {most} are allowed; send it in parts");
    Err(ApiError::new(Code::TooManyItems, message))
}

fn no_images() -> ApiError {
    ApiError::new(Code::NoImages, "at least one image is needed").at("images")
}

/// Embeds items as one request, after fetching the images that are named by URL. `param_of` gives the name of the item at an
/// index.
async fn embed_items(
    state: &AppState,
    model: &Model,
    mut items: Vec<Item>,
    options: EmbedOptions,
    param_of: impl Fn(usize) -> String,
) -> Result<(Embedded, Vec<Warning>), ApiError> {
    let mut fetched = None;
    if let Some(fetcher) = &state.images_by_url {
        let urls = urls_of(&items);
        if !urls.is_empty() {
            model.admits(urls.len(), options)?;
            let found = by_url::fetch(state, fetcher, urls, options.deadline).await;
            let found = fetched.insert(found.map_err(|e| match e.place {
                Some(i) => e.error.at(param_of(i)),
                None => e.error,
            })?);
            put_images(&mut items, &mut found.images);
        }
    }
    let embedded = model.embed(items, options).await;
    // The bytes count towards the budget until they are no longer needed.
    drop(fetched);
    let embedded = embedded.map_err(|error| ApiError::from_embed(error, &param_of))?;
    let warnings = warnings(state, &embedded.in_low_bits, param_of)?;
    Ok((embedded, warnings))
}

/// Embeddings of images and texts.
struct Both {
    images: Vec<Embedding>,
    texts: Vec<Embedding>,
    cost: Cost,
    warnings: Vec<Warning>,
}

/// The same, but an invalid item has its error in its place, and the others are embedded.
async fn embed_each_item(
    state: &AppState,
    model: &Model,
    mut items: Vec<Item>,
    options: EmbedOptions,
    param_of: impl Fn(usize) -> String,
) -> Result<(Vec<Result<Embedding, ApiError>>, Cost, Vec<Warning>), ApiError> {
    let mut fetched = None;
    let mut failed = HashMap::new();
    if let Some(fetcher) = &state.images_by_url {
        let urls = urls_of(&items);
        if !urls.is_empty() {
            model.admits(urls.len(), options)?;
            let found = by_url::fetch_each(state, fetcher, urls, options.deadline).await;
            let found = fetched.insert(found.map_err(|e| e.error)?);
            put_images(&mut items, &mut found.images);
            failed.extend(found.failed.drain(..));
        }
    }
    let count = items.len();
    let at_hand = items.into_iter().enumerate();
    let at_hand = at_hand.filter(|(i, _)| !failed.contains_key(i));
    let (places, at_hand): (Vec<_>, Vec<_>) = at_hand.unzip();
    let embedded = model.embed_each(at_hand, options).await;
    drop(fetched);
    let embedded = embedded.map_err(|error| ApiError::from_embed(error, &param_of))?;
    let cost = Cost::from(&embedded);
    let in_low_bits = embedded.in_low_bits.iter();
    let in_low_bits = in_low_bits.filter_map(|i| places.get(*i).copied());
    let warnings = warnings(state, &in_low_bits.collect::<Vec<_>>(), &param_of)?;
    let mut embedded = embedded.embeddings.into_iter();
    let outcomes = (0..count).filter_map(|i| match failed.remove(&i) {
        Some(error) => Some(Err(error.at(param_of(i)))),
        None => {
            let embedding = embedded.next()?;
            Some(embedding.map_err(|error| ApiError::from(error).at(param_of(i))))
        }
    });
    Ok((outcomes.collect(), cost, warnings))
}

/// The images that are named by URL, by index.
fn urls_of(items: &[Item]) -> Vec<(usize, String)> {
    let urls = items.iter().enumerate().filter_map(|(i, item)| match item {
        Item::Image(image) => Some((i, image.url()?.to_owned())),
        _ => None,
    });
    urls.collect()
}

/// Replaces URLs by the fetched images.
fn put_images(items: &mut [Item], images: &mut Vec<(usize, bytes::Bytes)>) {
    for (i, image) in images.drain(..) {
        if let Some(item) = items.get_mut(i) {
            *item = Item::Image(ImageSource::Bytes(image));
        }
    }
}

/// Embeds images and texts as one request; an error names `images[i]` or the texts' field.
async fn embed_both(
    state: &AppState,
    model: &Model,
    images: Vec<ImageSource>,
    texts: &[String],
    texts_field: &str,
    options: EmbedOptions,
) -> Result<Both, ApiError> {
    let count = images.len();
    let texts = texts.iter().cloned().map(Item::Text);
    let items = images.into_iter().map(Item::Image).chain(texts).collect();
    let param_of = |i: usize| match i.checked_sub(count) {
        None => format!("images[{i}]"),
        Some(text) => format!("{texts_field}[{text}]"),
    };
    let (mut embedded, warnings) = embed_items(state, model, items, options, param_of).await?;
    let cost = Cost::from(&embedded);
    let texts = embedded.embeddings.split_off(count);
    Ok(Both {
        images: embedded.embeddings,
        texts,
        cost,
        warnings,
    })
}
