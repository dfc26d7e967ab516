//! Computes embeddings of texts and images.

use std::sync::Arc;

use super::{Warning, check_items, embed_each_item, embed_items, tokens_of};
use crate::api::answer_size::{self, NUMBER, OBJECT};
use crate::api::{ApiError, AppState};
use crate::engine::{EmbedOptions, Item, Model};
use crate::error_code::Code;
use crate::matching::shorten;
use crate::tokenize::TokenCount;

/// Items to embed.
#[derive(Debug)]
pub struct EmbedCall {
    /// The model; the default one if none is named.
    pub model: Option<String>,
    /// At least one item.
    pub items: Vec<Item>,
    /// Length of an embedding; the full length by default.
    pub dimensions: Option<usize>,
    /// Lane, deadline, and whether long texts are truncated.
    pub options: EmbedOptions,
    /// The name of the items in the protocol, for errors.
    pub field: &'static str,
}

/// Normalised embeddings in the order of the items; for [`embed_each`], an error instead for an invalid item.
#[derive(Debug)]
pub struct Embeddings<V = Vec<f32>> {
    /// The model's name.
    pub model: String,
    /// One per item.
    pub vectors: Vec<V>,
    /// The tokens of the call.
    pub tokens: TokenCount,
    /// Notes about single images.
    pub warnings: Vec<Warning>,
}

/// Embeds.
///
/// # Errors
/// [`ApiError`] with the item at fault.
pub async fn embed(state: &AppState, call: EmbedCall) -> Result<Embeddings, ApiError> {
    let (model, dimensions) = check(state, &call, 0)?;
    let param_of = |i: usize| format!("{}[{i}]", call.field);
    let (encodings, warnings) =
        embed_items(state, &model, call.items, call.options, param_of).await?;
    let vectors = encodings.iter();
    let vectors = vectors.map(|encoding| shorten(&encoding.embedding, dimensions));
    Ok(Embeddings {
        model: model.name().to_owned(),
        vectors: vectors.collect(),
        tokens: tokens_of(&encodings),
        warnings,
    })
}

/// Bytes of an item's error in an answer: a message has at most some hundred characters, in memory and as JSON.
const ERROR: usize = 4 * OBJECT;

/// Embeds what can be embedded; an invalid item has its error in its place. The usage is that of the others.
///
/// # Errors
/// [`ApiError`] for errors that no single item causes.
pub async fn embed_each(
    state: &AppState,
    call: EmbedCall,
) -> Result<Embeddings<Result<Vec<f32>, ApiError>>, ApiError> {
    let (model, dimensions) = check(state, &call, ERROR)?;
    let param_of = |i: usize| format!("{}[{i}]", call.field);
    let (results, warnings) =
        embed_each_item(state, &model, call.items, call.options, param_of).await?;
    let tokens = tokens_of(results.iter().flatten());
    let vectors = results.into_iter();
    let vectors = vectors.map(|result| Ok(shorten(&result?.embedding, dimensions)));
    Ok(Embeddings {
        model: model.name().to_owned(),
        vectors: vectors.collect(),
        tokens,
        warnings,
    })
}

/// The model and the length of an embedding, after checking the limits of the call and of its answer, which has this many
/// bytes per item besides the numbers.
fn check(
    state: &AppState,
    call: &EmbedCall,
    bytes_an_item: usize,
) -> Result<(Arc<Model>, usize), ApiError> {
    let model = state.model(call.model.as_deref())?;
    let field = call.field;
    if call.items.is_empty() {
        let error = ApiError::new(Code::NoInput, "at least one item is needed");
        return Err(error.at(field));
    }
    check_items(call.items.len(), state.max_items).map_err(|e| e.at(field))?;
    let width = model.manifest().embedding_dim;
    let dimensions = call.dimensions.unwrap_or(width);
    if !(1..=width).contains(&dimensions) {
        let message = format!("dimensions is {dimensions}; it must be 1 to {width} for this model");
        return Err(ApiError::new(Code::InvalidDimensions, message).at("dimensions"));
    }
    let an_item = dimensions
        .saturating_mul(NUMBER)
        .saturating_add(bytes_an_item);
    answer_size::reserve(state, call.items.len().saturating_mul(an_item))?;
    Ok((model, dimensions))
}
