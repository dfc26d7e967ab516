//! `POST /v2/embed`: embeddings in Cohere's format, with several types at a time, for Cohere's clients.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::header;
use axum::response::Response;
use serde::{Deserialize, Serialize};
use utoipa::{IntoResponses, ToSchema};
use uuid::Uuid;

use super::embeddings;
use super::encoding::{EncodingFormat, Vector};
use super::image_option_fields::with_image_options;
use super::item_list::{Entry, EntryList};
use super::json_body;
use super::openapi::RequestHeaders;
use super::request_form::{Content, RequestForm};
use super::schemas::{Images, Items, Texts};
use crate::api::answer_size::{self, NUMBER, of_text};
use crate::api::contract::{CohereError, ErrorObject};
use crate::api::json_answer::Json;
use crate::api::{ApiError, AppState};
use crate::bounded;
use crate::calls::EmbedCall;
use crate::engine::{EmbedOptions, ImageSource, Item};
use crate::error_code::Code;
use crate::preprocess::ImageOptions;

/// The route.
pub const PATH: &str = "/v2/embed";

with_image_options! {
    /// One of `texts`, `images` and `inputs`.
    #[derive(Debug, Deserialize, ToSchema)]
    pub(super) struct CohereEmbedRequest {
        /// The model; the default one if none is named.
        model: Option<String>,
        /// Texts to embed.
        #[schema(value_type = Option<Texts>)]
        texts: Option<EntryList>,
        /// Images to embed, as data URIs, base64 or URLs.
        #[schema(value_type = Option<Images>)]
        images: Option<EntryList>,
        /// Texts and images to embed: `{"content": [{"type": "text", "text": …}]}`, one part each.
        #[schema(value_type = Option<Items>)]
        inputs: Option<EntryList>,
        /// The purpose of the embeddings. It makes no difference for these models.
        #[expect(dead_code, reason = "taken, so that a wrong type is refused")]
        input_type: Option<String>,
        /// The requested types; `float` by default.
        #[schema(inline)]
        embedding_types: Option<Vec<EncodingFormat>>,
        /// Length of the embeddings: their first numbers, normalised again; the full length by default.
        #[serde(default, deserialize_with = "json_body::whole_number")]
        #[schema(minimum = 1)]
        output_dimension: Option<usize>,
        /// `END` truncates texts that are longer than the model's context (the default); `NONE` refuses them.
        #[schema(value_type = Option<Truncation>, inline)]
        truncate: Option<String>,
        /// Embed the valid items even if others are invalid; those have an empty list in their places and are listed in
        /// `errors`.
        partial: Option<bool>,
    }
}

#[derive(ToSchema)]
#[schema(rename_all = "UPPERCASE")]
#[expect(dead_code, reason = "describes a field")]
enum Truncation {
    None,
    End,
}

/// Cohere's embeddings by type.
#[derive(Debug, Serialize, ToSchema)]
pub struct CohereEmbedResponse {
    /// A random id of the answer.
    id: String,
    response_type: &'static str,
    embeddings: EmbeddingsByType,
    /// The texts of the request, if `texts` were given.
    texts: Vec<String>,
    /// With `partial`: the errors of the invalid items.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    errors: Vec<BadItem>,
    meta: Meta,
}

/// For each requested type one embedding per item, in the order of the items.
#[derive(Debug, Default, Serialize, ToSchema)]
struct EmbeddingsByType {
    #[serde(skip_serializing_if = "Option::is_none")]
    float: Option<Vec<Vector>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    base64: Option<Vec<Vector>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    int8: Option<Vec<Vector>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    uint8: Option<Vec<Vector>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    binary: Option<Vec<Vector>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    ubinary: Option<Vec<Vector>>,
}

/// An item that has no embedding.
#[derive(Debug, Serialize, ToSchema)]
struct BadItem {
    /// Its index in the request.
    index: usize,
    error: ErrorObject,
}

#[derive(Debug, Serialize, ToSchema)]
#[schema(as = CohereMeta)]
struct Meta {
    api_version: ApiVersion,
    billed_units: BilledUnits,
    /// Notes about truncated texts and single images.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    warnings: Vec<String>,
}

#[derive(Debug, Serialize, ToSchema)]
#[schema(as = CohereApiVersion)]
struct ApiVersion {
    version: &'static str,
}

/// The amount of work.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = CohereBilledUnits)]
struct BilledUnits {
    /// Tokens of the texts, including start and end tokens.
    input_tokens: usize,
    images: usize,
}

/// Possible errors of the call.
#[derive(IntoResponses)]
#[expect(dead_code, reason = "describes the answers of error.rs")]
enum CohereErrors {
    /// The request is invalid
    #[response(status = 400)]
    BadRequest(CohereError),
    /// No API key, or an unknown one
    #[response(status = 401)]
    Unauthorized(CohereError),
    /// There is no such model
    #[response(status = 404)]
    NotFound(CohereError),
    /// The request took too long
    #[response(status = 408)]
    Timeout(CohereError),
    /// The body, an image, a text or the answer is too large
    #[response(status = 413)]
    TooLarge(CohereError),
    /// The content type is not supported
    #[response(status = 415)]
    UnsupportedMediaType(CohereError),
    /// An image could not be fetched from its URL
    #[response(status = 422)]
    NotFetched(CohereError),
    /// The server, or the API key, has too many requests
    #[response(status = 429, headers(("retry-after" = u64, description = "Seconds")))]
    Overloaded(CohereError),
    /// The server failed
    #[response(status = 500)]
    ServerError(CohereError),
    /// The server is stopping, or its engine is dead
    #[response(status = 503)]
    Unavailable(CohereError),
    /// The request's own timeout has passed
    #[response(status = 504)]
    DeadlineExceeded(CohereError),
}

/// Embeds texts or images, for Cohere's clients.
#[utoipa::path(
    post,
    path = "/v2/embed",
    operation_id = "embed_v2",
    tag = "inference",
    params(RequestHeaders),
    request_body = CohereEmbedRequest,
    responses((status = 200, description = "Embeddings by type, in the order of the items", body = CohereEmbedResponse), CohereErrors)
)]
pub async fn create(
    State(state): State<Arc<AppState>>,
    request: Request,
) -> Result<Json<CohereEmbedResponse>, ApiError> {
    let mut form = RequestForm::read(&state, request).await?;
    let Content::Json(body) = &form.content else {
        let message = "this route takes JSON: {\"texts\": […]} or {\"images\": […]}";
        return Err(ApiError::new(Code::InvalidRequest, message));
    };
    let request = bounded::within(state.max_items, || from_json(body))?;
    form.was_parsed();
    let texts = request.echo(&state)?;
    let is_image: Vec<bool> = request.items.iter().map(Item::is_image).collect();
    let call = EmbedCall {
        model: request.model,
        items: request.items,
        dimensions: request.dimensions,
        options: EmbedOptions {
            truncate: request.truncate,
            images: request.images,
            ..form.options
        },
        field: request.field,
    };
    let embedded = embeddings::embed(&state, call, request.partial).await;
    let embedded = embedded.map_err(in_cohere_s_words)?;
    let mut errors = Vec::new();
    let mut vectors = Vec::with_capacity(embedded.vectors.len());
    for (index, found) in embedded.vectors.into_iter().enumerate() {
        let found = found.map_err(|error| {
            let error = error.object();
            errors.push(BadItem { index, error });
        });
        vectors.push(found.ok());
    }
    let embedded_images = is_image.iter().zip(&vectors);
    let embedded_images = embedded_images.filter(|(is_image, found)| **is_image && found.is_some());
    let cut = embedded.tokens.truncated;
    let cut = (cut > 0)
        .then(|| format!("{cut} tokens beyond the model's context were cut off from the texts"));
    let of_images = embedded.warnings.iter();
    let of_images = of_images.map(|warning| format!("{}: {}", warning.param, warning.message));
    Ok(Json(CohereEmbedResponse {
        id: Uuid::new_v4().to_string(),
        response_type: "embeddings_by_type",
        meta: Meta {
            api_version: ApiVersion { version: "2" },
            billed_units: BilledUnits {
                input_tokens: embedded.tokens.read,
                images: embedded_images.count(),
            },
            warnings: cut.into_iter().chain(of_images).collect(),
        },
        embeddings: EmbeddingsByType::of(&vectors, &request.formats),
        texts,
        errors,
    }))
}

/// The parsed request.
#[derive(Debug)]
pub(super) struct ParsedRequest {
    model: Option<String>,
    pub(super) items: Vec<Item>,
    /// The name of the list that was given.
    field: &'static str,
    formats: Vec<EncodingFormat>,
    dimensions: Option<usize>,
    truncate: bool,
    partial: bool,
    images: ImageOptions,
}

impl ParsedRequest {
    /// The texts to return, and bytes reserved for the parts of the answer besides one list of embeddings.
    fn echo(&self, state: &AppState) -> Result<Vec<String>, ApiError> {
        let width = state.model(self.model.as_deref())?.manifest().embedding_dim;
        let numbers = self.dimensions.unwrap_or(width).min(width);
        let lists = self.formats.len().saturating_sub(1);
        let numbers = numbers
            .saturating_mul(lists)
            .saturating_mul(self.items.len());
        let texts = self.items.iter().filter_map(|item| match item {
            Item::Text(text) if self.field == "texts" => Some(text),
            _ => None,
        });
        let bytes = of_text(texts.clone().map(String::len).sum());
        answer_size::reserve(state, numbers.saturating_mul(NUMBER).saturating_add(bytes))?;
        Ok(texts.cloned().collect())
    }
}

pub(super) fn from_json(body: &[u8]) -> Result<ParsedRequest, ApiError> {
    let request: CohereEmbedRequest = json_body::parse(body)?;
    let images = ImageOptions::from(&request);
    let lists = [
        ("texts", request.texts),
        ("images", request.images),
        ("inputs", request.inputs),
    ];
    let mut given = lists
        .into_iter()
        .filter_map(|(field, list)| Some((field, list?)));
    let one = "give one of texts, images and inputs";
    let Some((field, list)) = given.next() else {
        return Err(ApiError::new(Code::NoInput, one));
    };
    if let Some((second, _)) = given.next() {
        return Err(ApiError::new(Code::InvalidRequest, one).at(second));
    }
    let items = list.0.into_iter().enumerate();
    let items = items.map(|(i, entry)| item(field, i, entry));
    let mut formats = Vec::new();
    for format in request.embedding_types.unwrap_or_default() {
        if !formats.contains(&format) {
            formats.push(format);
        }
    }
    if formats.is_empty() {
        formats.push(EncodingFormat::Float);
    }
    Ok(ParsedRequest {
        model: request.model,
        items: items.collect::<Result<_, _>>()?,
        field,
        formats,
        dimensions: request.output_dimension,
        truncate: match request.truncate.as_deref() {
            None | Some("END") => true,
            Some("NONE") => false,
            Some(_) => {
                let message = "truncate is END or NONE; the beginning of a text is never cut off";
                return Err(ApiError::new(Code::InvalidRequest, message).at("truncate"));
            }
        },
        partial: request.partial.unwrap_or(false),
        images,
    })
}

fn item(field: &str, index: usize, entry: Entry) -> Result<Item, ApiError> {
    let wrong = |message: &str| {
        let error = ApiError::new(Code::InvalidRequest, message);
        Err(error.at(format!("{field}[{index}]")))
    };
    match (entry, field) {
        (Entry::Image(_), "texts") => wrong("texts are texts; images go into images or inputs"),
        (Entry::Text(_), "images") => wrong("images are images; texts go into texts or inputs"),
        (Entry::Plain(image), "images") | (Entry::Image(image), _) => {
            Ok(Item::Image(ImageSource::Base64(image)))
        }
        (Entry::Plain(text) | Entry::Text(text), _) => Ok(Item::Text(text)),
    }
}

impl EmbeddingsByType {
    fn of(vectors: &[Option<Vec<f32>>], formats: &[EncodingFormat]) -> Self {
        let mut all = Self::default();
        for format in formats {
            // An empty list is sent as it is: clients expect the type.
            let vectors = vectors.iter().map(|v| v.clone().unwrap_or_default());
            let list = Some(vectors.map(|v| format.write(v)).collect());
            match format {
                EncodingFormat::Float => all.float = list,
                EncodingFormat::Base64 => all.base64 = list,
                EncodingFormat::Int8 => all.int8 = list,
                EncodingFormat::Uint8 => all.uint8 = list,
                EncodingFormat::Binary => all.binary = list,
                EncodingFormat::Ubinary => all.ubinary = list,
            }
        }
        all
    }
}

/// Translates the field's name to that of this route.
fn in_cohere_s_words(error: ApiError) -> ApiError {
    match error.param.as_deref() {
        Some("dimensions") => error.at("output_dimension"),
        _ => error,
    }
}

/// Converts an error to Cohere's format. Status and headers stay.
pub fn respond_with(error: &ApiError, response: Response) -> Response {
    let body = CohereError {
        message: error.sentence(),
        error: error.object(),
    };
    let (mut parts, _) = response.into_parts();
    parts.headers.remove(header::CONTENT_LENGTH);
    Response::from_parts(parts, Body::from(serde_json::json!(body).to_string()))
}
