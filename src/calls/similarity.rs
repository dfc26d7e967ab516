//! Compares every image with every text.

use super::{Warning, check_items, embed_both, no_images};
use crate::api::answer_size::{self, NUMBER};
use crate::api::{ApiError, AppState};
use crate::engine::{EmbedOptions, ImageSource};
use crate::error_code::Code;
use crate::matching::{Scores, score};
use crate::tokenize::TokenCount;

/// Images and texts to compare.
#[derive(Debug)]
pub struct SimilarityCall {
    /// The model; the default one if none is named.
    pub model: Option<String>,
    /// At least one image.
    pub images: Vec<ImageSource>,
    /// At least one text.
    pub texts: Vec<String>,
    /// Lane, deadline, and whether long texts are truncated.
    pub options: EmbedOptions,
}

/// Images × texts.
#[derive(Debug)]
pub struct Similarities {
    /// The model's name.
    pub model: String,
    /// Cosines, logits and probabilities.
    pub scores: Scores,
    /// The tokens of the call.
    pub tokens: TokenCount,
    /// Notes about single images.
    pub warnings: Vec<Warning>,
}

/// Compares.
///
/// # Errors
/// [`ApiError`] with the invalid item.
pub async fn similarity(state: &AppState, call: SimilarityCall) -> Result<Similarities, ApiError> {
    if call.images.is_empty() {
        return Err(no_images());
    }
    if call.texts.is_empty() {
        let error = ApiError::new(Code::NoTexts, "at least one text is needed");
        return Err(error.at("texts"));
    }
    check_items(call.images.len() + call.texts.len(), state.max_items)?;
    let model = state.model(call.model.as_deref())?;
    // Cosine, logit and probability of each pair.
    let numbers = 3 * call.images.len().saturating_mul(call.texts.len());
    answer_size::reserve(state, numbers.saturating_mul(NUMBER))?;
    let both = embed_both(
        state,
        &model,
        call.images,
        &call.texts,
        "texts",
        call.options,
    )
    .await?;
    Ok(Similarities {
        model: model.name().to_owned(),
        scores: score(&both.images, &both.texts, &model.manifest().similarity),
        tokens: both.tokens,
        warnings: both.warnings,
    })
}
