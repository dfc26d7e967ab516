//! Texts and images → embeddings.

use super::{Cost, Warning, check_items, embed_items};
use crate::api::answer_size::{self, NUMBER};
use crate::api::{ApiError, AppState};
use crate::engine::{EmbedOptions, Item};
use crate::matching::shorten;

/// Items to embed.
#[derive(Debug)]
pub struct EmbedCall {
    /// The model; the default one if none is named.
    pub model: Option<String>,
    /// At least one.
    pub items: Vec<Item>,
    /// Numbers of an embedding that are wanted; all of them by default.
    pub dimensions: Option<usize>,
    /// Lane, deadline, and whether long texts are cut.
    pub options: EmbedOptions,
    /// What the protocol calls the items, for errors.
    pub field: &'static str,
}

/// Embeddings in the order of the items, of unit length.
#[derive(Debug)]
pub struct Embeddings {
    /// The model's name.
    pub model: String,
    /// One an item.
    pub vectors: Vec<Vec<f32>>,
    /// What it cost.
    pub cost: Cost,
    /// What is to be known about single images.
    pub warnings: Vec<Warning>,
}

/// Embeds.
///
/// # Errors
/// [`ApiError`] with the item at fault.
pub async fn embed(state: &AppState, call: EmbedCall) -> Result<Embeddings, ApiError> {
    let model = state.model(call.model.as_deref())?;
    let field = call.field;
    if call.items.is_empty() {
        let error = ApiError::bad_request("no_input", "at least one item is needed");
        return Err(error.at(field));
    }
    check_items(call.items.len(), state.max_items).map_err(|e| e.at(field))?;
    let width = model.manifest().embedding_dim;
    let dimensions = call.dimensions.unwrap_or(width);
    if !(1..=width).contains(&dimensions) {
        let message = format!("dimensions is {dimensions}; this model gives 1 to {width}");
        return Err(ApiError::bad_request("invalid_dimensions", message).at("dimensions"));
    }
    let numbers = call.items.len().saturating_mul(dimensions);
    answer_size::reserve(state, numbers.saturating_mul(NUMBER))?;
    let param_of = |i: usize| format!("{field}[{i}]");
    let (embedded, warnings) =
        embed_items(state, &model, call.items, call.options, param_of).await?;
    let vectors = embedded.embeddings.iter();
    Ok(Embeddings {
        model: model.name().to_owned(),
        vectors: vectors.map(|vector| shorten(vector, dimensions)).collect(),
        cost: Cost::from(&embedded),
        warnings,
    })
}
