//! Ranks documents by their similarity to a query; both may be texts or images.

use super::{Warning, check_items, embed_items, tokens_of};
use crate::api::answer_size::{self, OBJECT, of_text};
use crate::api::{ApiError, AppState};
use crate::engine::{EmbedOptions, ImageSource, Item};
use crate::error_code::Code;
use crate::matching::nearest;
use crate::tokenize::TokenCount;

/// A query and the documents to rank.
#[derive(Debug)]
pub struct RerankCall {
    /// The model; the default one if none is named.
    pub model: Option<String>,
    /// The query.
    pub query: Document,
    /// At least one document.
    pub documents: Vec<Document>,
    /// Maximum number of results; all by default.
    pub top_n: Option<usize>,
    /// Whether to return the documents with their scores.
    pub return_documents: bool,
    /// Lane, deadline, and whether long texts are truncated.
    pub options: EmbedOptions,
}

/// A text or an image. Images as bytes are cheap to copy.
#[derive(Debug, Clone)]
pub enum Document {
    /// A text.
    Text(String),
    /// An image as in the request.
    Image(ImageSource),
}

impl Document {
    /// The bytes of the request.
    fn bytes(&self) -> usize {
        match self {
            Self::Text(text) | Self::Image(ImageSource::Base64(text)) => text.len(),
            Self::Image(ImageSource::Bytes(bytes)) => bytes.len(),
        }
    }
}

/// A document's index in the call and its score.
#[derive(Debug)]
pub struct RankedDocument {
    /// Index in the call.
    pub index: usize,
    /// Cosine to the query.
    pub cosine: f32,
    /// The document, if it was requested.
    pub document: Option<Document>,
}

/// Documents, closest first.
#[derive(Debug)]
pub struct Reranked {
    /// The model's name.
    pub model: String,
    /// Closest first.
    pub results: Vec<RankedDocument>,
    /// The tokens of the call.
    pub tokens: TokenCount,
    /// Notes about single images.
    pub warnings: Vec<Warning>,
}

/// Ranks.
///
/// # Errors
/// [`ApiError`] with the invalid document.
pub async fn rerank(state: &AppState, call: RerankCall) -> Result<Reranked, ApiError> {
    let model = state.model(call.model.as_deref())?;
    let count = call.documents.len();
    if count == 0 {
        let error = ApiError::new(Code::NoDocuments, "at least one document is needed");
        return Err(error.at("documents"));
    }
    check_items(count + 1, state.max_items).map_err(|e| e.at("documents"))?;
    let answered = call.top_n.unwrap_or(count).min(count);
    let mut bytes = answered.saturating_mul(OBJECT);
    if call.return_documents {
        // The results are not known yet: at worst the largest documents.
        let mut sizes: Vec<usize> = call.documents.iter().map(Document::bytes).collect();
        sizes.sort_unstable_by(|a, b| b.cmp(a));
        bytes = bytes.saturating_add(sizes.iter().take(answered).copied().map(of_text).sum());
    }
    answer_size::reserve(state, bytes)?;
    // Images can be large, so they are copied only if they are requested.
    let returned = call.return_documents.then(|| call.documents.clone());
    let all = std::iter::once(call.query).chain(call.documents);
    let items = all.map(|document| match document {
        Document::Text(text) => Item::Text(text),
        Document::Image(image) => Item::Image(image),
    });
    let param_of = |i: usize| match i.checked_sub(1) {
        None => "query".to_owned(),
        Some(i) => format!("documents[{i}]"),
    };
    let (encodings, warnings) =
        embed_items(state, &model, items.collect(), call.options, param_of).await?;
    let (query, documents) = match encodings.split_first() {
        Some((query, documents)) => (query.as_ref(), documents),
        None => (&[] as &[f32], &[] as &[_]),
    };
    let found = nearest(query, documents, call.top_n.unwrap_or(count)).into_iter();
    let results = found.map(|found| RankedDocument {
        index: found.index,
        cosine: found.cosine,
        document: returned
            .as_ref()
            .and_then(|documents| documents.get(found.index).cloned()),
    });
    Ok(Reranked {
        model: model.name().to_owned(),
        results: results.collect(),
        tokens: tokens_of(&encodings),
        warnings,
    })
}
