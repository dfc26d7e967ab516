//! Parses request bodies as the routes do, without a server, for fuzz tests: `json_body` and others in
//! `fuzz/src/checks.rs` call them.

use axum::http::HeaderMap;
use bytes::Bytes;

use super::images_and_texts::ImagesAndTexts;
use super::{compare, embeddings, json_body, rerank, v2};
use crate::api::ApiError;
use crate::bundle::TextSide;
use crate::calls::{Against, Document, MapKind, infer};
use crate::engine::{EmbedOptions, Item};
use crate::labelsets::Definition;

/// Items of a JSON body of `/v1/embeddings`.
///
/// # Errors
/// The error of the route.
pub fn embeddings(body: &[u8]) -> Result<Vec<Item>, ApiError> {
    Ok(embeddings::from_json(body)?.1)
}

/// Items of a JSON body of `/v1/similarity`.
///
/// # Errors
/// The error of the route.
pub fn similarity(body: &[u8]) -> Result<Vec<Item>, ApiError> {
    images_and_texts(body, "texts")
}

/// Items of a JSON body of `/v1/classify`.
///
/// # Errors
/// The error of the route.
pub fn classify(body: &[u8]) -> Result<Vec<Item>, ApiError> {
    images_and_texts(body, "labels")
}

fn images_and_texts(body: &[u8], texts: &'static str) -> Result<Vec<Item>, ApiError> {
    items(ImagesAndTexts::from_json(body, texts)?)
}

fn items(request: ImagesAndTexts) -> Result<Vec<Item>, ApiError> {
    request.check()?;
    let images = request.images.into_iter().map(Item::Image);
    let texts = request.texts.into_iter().map(Item::Text);
    Ok(images.chain(texts).collect())
}

/// Items of a JSON body of `/v1/explain`.
///
/// # Errors
/// The error of the route.
pub fn explain(body: &[u8]) -> Result<Vec<Item>, ApiError> {
    let mut request = ImagesAndTexts::from_json(body, "texts")?;
    if let Some(map) = request.map.take() {
        map.kind(MapKind::Colours)?;
    }
    if let Some(method) = request.method.take() {
        method.method()?;
    }
    items(request)
}

/// Items of a JSON body of `/v1/compare`: images, reference images and texts.
///
/// # Errors
/// The error of the route.
pub fn compare(body: &[u8]) -> Result<Vec<Item>, ApiError> {
    let call = compare::from_json(body)?;
    let given = match call.against {
        Against::Named(_) => Vec::new(),
        Against::Images(given) => given.images,
    };
    let images = call.images.into_iter().chain(given).map(Item::Image);
    let texts = call.statements.into_iter();
    let texts = texts.flat_map(|said| std::iter::once(said.text).chain(said.reference_text));
    Ok(images.chain(texts.map(Item::Text)).collect())
}

/// Items of a JSON body of `/v1/rerank`, the query first.
///
/// # Errors
/// The error of the route.
pub fn rerank(body: &[u8]) -> Result<Vec<Item>, ApiError> {
    let call = rerank::from_json(body, EmbedOptions::default())?;
    let all = std::iter::once(call.query).chain(call.documents);
    let item = |document| match document {
        Document::Text(text) => Item::Text(text),
        Document::Image(image) => Item::Image(image),
    };
    Ok(all.map(item).collect())
}

/// A label set's definition, checked, from a body of `PUT /v1/labelsets/{name}`.
///
/// # Errors
/// The error of the route.
pub fn labelset(body: &[u8], most_items: usize) -> Result<Definition, ApiError> {
    let definition: Definition = json_body::parse(body)?;
    definition.check(most_items)?;
    Ok(definition)
}

/// Items of a body of `POST /v2/models/{name}/infer`, at most `most_items`, for a model with this text encoder.
///
/// # Errors
/// The error of the route.
pub fn infer(
    headers: &HeaderMap,
    body: &Bytes,
    text: &TextSide,
    most_items: usize,
) -> Result<Vec<Item>, ApiError> {
    let (_, inputs) = v2::infer::read(headers, body, most_items)?;
    let items = inputs.into_iter().map(|input| infer::items(input, text));
    Ok(items.collect::<Result<Vec<_>, _>>()?.concat())
}
