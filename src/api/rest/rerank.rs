//! `POST /v1/rerank`: ranks documents by their similarity to a query, in the format that Cohere and Jina share. Query and
//! documents may be texts or images.

use std::sync::Arc;

use axum::extract::{Request, State};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::error_responses::{InferenceErrors, LookupErrors};
use super::image_option_fields::with_image_options;
use super::item_list::{Entry, EntryList};
use super::json_body;
use super::request_form::{Content, RequestForm};
use super::request_headers::RequestHeaders;
use super::schemas;
use super::usage::Usage;
use crate::api::json_answer::Json;
use crate::api::{ApiError, AppState};
use crate::bounded;
use crate::calls::{self, Document, RerankCall, Warning};
use crate::engine::{EmbedOptions, ImageSource};
use crate::error_code::Code;
use crate::preprocess::ImageOptions;

with_image_options! {
    #[derive(Debug, Deserialize, ToSchema)]
    struct RerankRequest {
        /// The model; the default one if none is named.
        model: Option<String>,
        #[schema(value_type = schemas::Item)]
        query: Entry,
        /// The documents.
        #[schema(value_type = schemas::Items)]
        documents: EntryList,
        /// Maximum number of results; all by default.
        #[serde(default, deserialize_with = "json_body::whole_number")]
        top_n: Option<usize>,
        /// Return the documents with their scores.
        return_documents: Option<bool>,
        /// Whether texts longer than the model's context are truncated (the default) or refused.
        truncate: Option<bool>,
    }
}

/// The documents, closest first.
#[derive(Debug, Serialize, ToSchema)]
pub struct RerankResponse {
    model: String,
    object: &'static str,
    results: Vec<RankedDocument>,
    usage: Usage,
    /// Notes about single images; absent if there are none.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(required = false)]
    warnings: Vec<Warning>,
}

#[derive(Debug, Serialize, ToSchema)]
struct RankedDocument {
    /// Index of the document in the request.
    index: usize,
    /// Cosine to the query.
    relevance_score: f32,
    #[serde(skip_serializing_if = "Option::is_none")]
    document: Option<DocumentObject>,
}

/// A document as in the request.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
enum DocumentObject {
    Text(String),
    Image(String),
}

/// Ranks documents by their similarity to a query.
#[utoipa::path(
    post,
    path = "/v1/rerank",
    operation_id = "rerank",
    tag = "inference",
    params(RequestHeaders),
    request_body = RerankRequest,
    responses((status = 200, description = "Documents, closest first", body = RerankResponse), LookupErrors, InferenceErrors)
)]
pub async fn create(
    State(state): State<Arc<AppState>>,
    request: Request,
) -> Result<Json<RerankResponse>, ApiError> {
    let mut form = RequestForm::read(&state, request).await?;
    let Content::Json(body) = &form.content else {
        let message = "documents are ranked from JSON: {\"query\": …, \"documents\": […]}";
        return Err(ApiError::new(Code::InvalidRequest, message));
    };
    let call = bounded::within(state.max_items, || from_json(body, form.options))?;
    form.was_parsed();
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
        usage: found.tokens.into(),
        warnings: found.warnings,
    }))
}

pub(super) fn from_json(body: &[u8], options: EmbedOptions) -> Result<RerankCall, ApiError> {
    let request: RerankRequest = json_body::parse(body)?;
    let images = ImageOptions::from(&request);
    Ok(RerankCall {
        model: request.model,
        query: document_of(request.query),
        documents: request.documents.0.into_iter().map(document_of).collect(),
        top_n: request.top_n,
        return_documents: request.return_documents.unwrap_or(false),
        options: EmbedOptions {
            truncate: request.truncate.unwrap_or(true),
            images,
            ..options
        },
    })
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

/// The path of Cohere's newer clients.
#[utoipa::path(
    post,
    path = "/v2/rerank",
    operation_id = "rerank_v2",
    tag = "inference",
    params(RequestHeaders),
    request_body = RerankRequest,
    responses((status = 200, description = "Documents, closest first", body = RerankResponse), LookupErrors, InferenceErrors)
)]
pub async fn create_at_v2(
    state: State<Arc<AppState>>,
    request: Request,
) -> Result<Json<RerankResponse>, ApiError> {
    create(state, request).await
}
