//! The operations of the server, independent of the protocol: typed requests and typed results. REST and gRPC only
//! translate.

use serde::Serialize;
use utoipa::ToSchema;

mod by_url;
mod classify;
mod compare;
mod embed;
mod explain;
pub mod infer;
mod labelset;
mod line;
mod load_model;
mod map_kind;
mod place;
mod reference;
mod rerank;
mod similarity;
pub mod tensor;
pub mod tensor_shape;

pub use classify::{
    Classification, Classified, ClassifyCall, Decision, LabelScore, Labels, classify,
};
pub use compare::{
    Against, Changed, CompareCall, Compared, ComparedImage, Given, Judged, Lies, LiesStatus,
    NotCompared, Parts, Said, UsedReference, against, compare, compare_one, compare_unwritten,
    scored_by_now,
};
pub use embed::{EmbedCall, Embeddings, embed, embed_each};
pub use explain::{ExplainCall, ExplainedImage, Explanation, Explanations, Method, explain};
pub use labelset::put_labelset;
pub use line::{
    AddReferences, Audited, CalibrateCall, FoundRegion, FoundStatement, InspectCall, Inspected,
    InspectionAnswer, LabelledPart, MOST_ADDED, MOST_AT_A_TIME, PartsAdded, PutLine,
    ReferencesAdded, Rescored, ShadowStatus, Switched, USUAL_AT_A_TIME, add_parts, add_references,
    calibrate, inspect, line_scored_by, map_of, model_of_line, no_shadow, promote, put_line,
    reference_of, rescore, roll_back, shadow_decides, shadow_of, start_shadow,
};
pub use load_model::{ComputedBeforeUse, Unusable, load_model};
pub use map_kind::MapKind;
pub use place::Place;
pub use reference::{add_to_reference, put_reference};
pub use rerank::{Document, RankedDocument, RerankCall, Reranked, rerank};
pub use similarity::{Similarities, SimilarityCall, similarity};

use std::collections::HashMap;

use crate::api::answer_size::{self, OBJECT, of_text};
use crate::api::{ApiError, AppState};
use crate::engine::{EmbedOptions, Encoding, ImageSource, Item, Model};
use crate::error_code::Code;
use crate::tokenize::TokenCount;

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
fn warnings<'a>(
    state: &AppState,
    encodings: impl Iterator<Item = (usize, &'a Encoding)> + Clone,
    param_of: impl Fn(usize) -> String,
) -> Result<Vec<Warning>, ApiError> {
    let in_low_bits = encodings.filter(|(_, encoding)| encoding.in_low_bits);
    warnings_of(state, in_low_bits.map(|(index, _)| index), param_of)
}

/// The notes about images whose values seem to have few bits, counted before they are made.
fn warnings_of(
    state: &AppState,
    in_low_bits: impl Iterator<Item = usize> + Clone,
    param_of: impl Fn(usize) -> String,
) -> Result<Vec<Warning>, ApiError> {
    let count = in_low_bits.clone().count();
    if count == 0 {
        return Ok(Vec::new());
    }
    answer_size::reserve(state, count * (OBJECT + of_text(IN_LOW_BITS.len())))?;
    let warnings = in_low_bits.map(|index| Warning {
        code: "values_in_low_bits",
        message: IN_LOW_BITS,
        param: param_of(index),
    });
    Ok(warnings.collect())
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
) -> Result<(Vec<Encoding>, Vec<Warning>), ApiError> {
    let fetched = fetch_images(state, model, &mut items, options, &param_of).await?;
    let encodings = model.embed(items, options).await;
    // The bytes count towards the budget until they are no longer needed.
    drop(fetched);
    let encodings = encodings.map_err(|error| ApiError::from_embed(error, &param_of))?;
    let warnings = warnings(state, encodings.iter().enumerate(), param_of)?;
    Ok((encodings, warnings))
}

/// Fetches the images that are named by URL and puts them in their places. Their bytes count towards the budget until the
/// result is dropped.
async fn fetch_images(
    state: &AppState,
    model: &Model,
    items: &mut [Item],
    options: EmbedOptions,
    param_of: impl Fn(usize) -> String,
) -> Result<Option<by_url::Fetched<usize>>, ApiError> {
    let Some(fetcher) = &state.images_by_url else {
        return Ok(None);
    };
    let urls = urls_of(items);
    if urls.is_empty() {
        return Ok(None);
    }
    model.admits(urls.len(), options)?;
    let found = by_url::fetch(state, fetcher, urls, options.deadline).await;
    let mut found = found.map_err(|e| match e.place {
        Some(i) => e.error.at(param_of(i)),
        None => e.error,
    })?;
    put_images(items, &mut found.images);
    Ok(Some(found))
}

/// The tokens of all items.
fn tokens_of<'a>(encodings: impl IntoIterator<Item = &'a Encoding>) -> TokenCount {
    encodings.into_iter().map(|encoding| encoding.tokens).sum()
}

/// Encodings of images and texts.
struct Both {
    images: Vec<Encoding>,
    texts: Vec<Encoding>,
    tokens: TokenCount,
    warnings: Vec<Warning>,
}

/// The same, but an invalid item has its error in its place, and the others are embedded.
async fn embed_each_item(
    state: &AppState,
    model: &Model,
    mut items: Vec<Item>,
    options: EmbedOptions,
    param_of: impl Fn(usize) -> String,
) -> Result<(Vec<Result<Encoding, ApiError>>, Vec<Warning>), ApiError> {
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
    let at_hand = at_hand.filter_map(|(i, item)| (!failed.contains_key(&i)).then_some(item));
    let encodings = model.embed_each(at_hand.collect(), options).await;
    drop(fetched);
    let encodings = encodings.map_err(|error| ApiError::from_embed(error, &param_of))?;
    let mut encodings = encodings.into_iter();
    let results = (0..count).filter_map(|i| match failed.remove(&i) {
        Some(error) => Some(Err(error.at(param_of(i)))),
        None => {
            let encoding = encodings.next()?;
            Some(encoding.map_err(|error| ApiError::from(error).at(param_of(i))))
        }
    });
    let results: Vec<Result<Encoding, ApiError>> = results.collect();
    let embedded = results.iter().enumerate();
    let embedded = embedded.filter_map(|(i, result)| Some((i, result.as_ref().ok()?)));
    let warnings = warnings(state, embedded, param_of)?;
    Ok((results, warnings))
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
    let (mut images, warnings) = embed_items(state, model, items, options, param_of).await?;
    let tokens = tokens_of(&images);
    let texts = images.split_off(count);
    Ok(Both {
        images,
        texts,
        tokens,
        warnings,
    })
}
