//! `POST /v1/rerank`: documents by their closeness to a query, in the shape that Cohere and Jina share. Query and documents
//! may be texts or images.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Request, State};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};

use super::item_list::{Entry, EntryList};
use super::json_body;
use super::request_form::{Content, RequestForm};
use super::usage::Usage;
use crate::api::calls::{self, Document, RerankCall};
use crate::api::{ApiError, AppState};
use crate::engine::{EmbedOptions, ImageSource};

#[derive(Debug, Deserialize)]
struct RerankRequest {
    #[serde(default)]
    model: Option<String>,
    query: Entry,
    documents: EntryList,
    #[serde(default)]
    top_n: Option<usize>,
    #[serde(default)]
    return_documents: bool,
    #[serde(default)]
    truncate: Option<bool>,
}

/// The documents, closest first.
#[derive(Debug, Serialize)]
pub struct RerankResponse {
    model: String,
    object: &'static str,
    results: Vec<RankedDocument>,
    usage: Usage,
}

#[derive(Debug, Serialize)]
struct RankedDocument {
    /// Position of the document in the request.
    index: usize,
    /// Cosine to the query.
    relevance_score: f32,
    #[serde(skip_serializing_if = "Option::is_none")]
    document: Option<DocumentObject>,
}

/// A document as it came.
#[derive(Debug, Serialize)]
#[serde(rename_all = "snake_case")]
enum DocumentObject {
    Text(String),
    Image(String),
}

/// Ranks documents.
pub async fn create(
    State(state): State<Arc<AppState>>,
    request: Request,
) -> Result<Json<RerankResponse>, ApiError> {
    let form = RequestForm::read(&state, request).await?;
    let Content::Json(body) = &form.content else {
        let message = "documents are ranked from JSON: {\"query\": …, \"documents\": […]}";
        return Err(ApiError::bad_request("invalid_request", message));
    };
    let request: RerankRequest = json_body::parse(body)?;
    let call = RerankCall {
        model: request.model,
        query: document_of(request.query),
        documents: request.documents.0.into_iter().map(document_of).collect(),
        top_n: request.top_n,
        return_documents: request.return_documents,
        options: EmbedOptions {
            truncate: request.truncate.unwrap_or(true),
            ..form.options
        },
    };
    let found = calls::rerank(&state, call).await?;
    let results = found.results.into_iter().map(|found| RankedDocument {
        index: found.index,
        relevance_score: found.cosine,
        document: found.document.map(object_of),
    });
    Ok(Json(RerankResponse {
        model: found.model,
        object: "list",
        results: results.collect(),
        usage: found.cost.into(),
    }))
}

fn document_of(entry: Entry) -> Document {
    match entry {
        Entry::Plain(text) | Entry::Text(text) => Document::Text(text),
        Entry::Image(image) => Document::Image(ImageSource::Base64(image)),
    }
}

fn object_of(document: Document) -> DocumentObject {
    match document {
        Document::Text(text) => DocumentObject::Text(text),
        Document::Image(ImageSource::Base64(image)) => DocumentObject::Image(image),
        Document::Image(ImageSource::Bytes(bytes)) => DocumentObject::Image(STANDARD.encode(bytes)),
    }
}
