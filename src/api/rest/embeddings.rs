//! `POST /v1/embeddings`: OpenAI's format, extended to images.

use std::sync::Arc;

use axum::extract::{Request, State};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::encoding::{EncodingFormat, FORMATS, Vector};
use super::error_responses::{InferenceErrors, LookupErrors};
use super::image_option_fields::{ImageOptionsQuery, with_image_options};
use super::item_list::{Entry, EntryList};
use super::json_body;
use super::request_form::{Content, Field, RequestForm, value_of};
use super::request_headers::RequestHeaders;
use super::schemas::{ImageFile, Items};
use super::usage::Usage;
use crate::api::contract::ErrorObject;
use crate::api::contract::request_options;
use crate::api::json_answer::Json;
use crate::api::{ApiError, AppState};
use crate::bounded;
use crate::calls::Warning;
use crate::calls::{self, EmbedCall, Embeddings};
use crate::engine::{EmbedOptions, ImageSource, Item};
use crate::preprocess::ImageOptions;

with_image_options! {
    #[derive(Debug, Default, Deserialize, ToSchema)]
    pub(super) struct EmbeddingsRequest {
        /// The model; the default one if none is named.
        model: Option<String>,
        /// What to embed.
        #[schema(value_type = Items)]
        input: EntryList,
        #[schema(inline)]
        modality: Option<Modality>,
        #[schema(inline)]
        encoding_format: Option<EncodingFormat>,
        /// Length of the embeddings: their first numbers, normalised again; the full length by default.
        #[serde(default, deserialize_with = "json_body::whole_number")]
        #[schema(minimum = 1)]
        dimensions: Option<usize>,
        /// Whether texts longer than the model's context are truncated (the default) or refused.
        truncate: Option<bool>,
        /// Embed the valid items even if others are invalid; those have an error in their places. By default one invalid item
        /// fails the request.
        partial: Option<bool>,
    }
}

with_image_options! {
    form
    /// The same as a form.
    #[derive(ToSchema)]
    #[expect(dead_code, reason = "describes the fields that are read below")]
    struct EmbeddingsForm {
        /// Images.
        #[schema(inline, required = false)]
        image: Vec<ImageFile>,
        /// Texts.
        #[schema(required = false)]
        text: Vec<String>,
        /// The model; the default one if none is named.
        #[schema(value_type = String, required = false)]
        model: Option<String>,
        /// Length of the embeddings: their first numbers, normalised again.
        #[schema(value_type = usize, required = false, minimum = 1)]
        dimensions: Option<usize>,
        /// Format of the embeddings.
        #[schema(value_type = EncodingFormat, required = false, inline)]
        encoding_format: Option<EncodingFormat>,
        /// Whether texts longer than the model's context are truncated (the default) or refused.
        #[schema(value_type = bool, required = false)]
        truncate: Option<bool>,
        /// Embed the valid items even if others are invalid; those have an error in their places.
        #[schema(value_type = bool, required = false)]
        partial: Option<bool>,
    }
}

/// Query parameters beside a form or a raw image.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "describes the parameters that are read below")]
struct EmbeddingsQuery {
    /// A text to embed; may be repeated.
    text: Option<Vec<String>>,
    /// The model; the default one if none is named.
    model: Option<String>,
    /// Length of the embeddings: their first numbers, normalised again.
    #[param(minimum = 1)]
    dimensions: Option<usize>,
    /// Format of the embeddings.
    #[param(inline)]
    encoding_format: Option<EncodingFormat>,
    /// Whether texts longer than the model's context are truncated (the default) or refused.
    truncate: Option<bool>,
    /// Embed the valid items even if others are invalid; those have an error in their places.
    partial: Option<bool>,
}

/// The meaning of a bare string in `input`.
#[derive(Debug, Clone, Copy, Default, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case", expecting = "text or image")]
enum Modality {
    #[default]
    Text,
    Image,
}

/// OpenAI's list of embeddings.
#[derive(Debug, Serialize, ToSchema)]
pub struct EmbeddingsResponse {
    object: &'static str,
    data: Vec<EmbeddingObject>,
    model: String,
    usage: Usage,
    /// Notes about single images; absent if there are none.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(required = false)]
    warnings: Vec<Warning>,
}

/// One item's embedding, or with `partial` its error.
#[derive(Debug, Serialize, ToSchema)]
struct EmbeddingObject {
    /// `embedding`, or `error`.
    object: &'static str,
    /// Index of the item in the request.
    index: usize,
    /// Empty if the item is invalid: clients decode it before they check `object`.
    embedding: Vector,
    /// The error of the item.
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<ErrorObject>,
}

impl EmbeddingObject {
    fn of(index: usize, found: Result<Vec<f32>, ApiError>, format: EncodingFormat) -> Self {
        match found {
            Ok(numbers) => Self {
                object: "embedding",
                index,
                embedding: format.write(numbers),
                error: None,
            },
            Err(error) => Self {
                object: "error",
                index,
                embedding: Vector::Float(Vec::new()),
                error: Some(error.object()),
            },
        }
    }
}

/// Embeds texts and images.
#[utoipa::path(
    post,
    path = "/v1/embeddings",
    operation_id = "embeddings",
    tag = "inference",
    params(RequestHeaders, EmbeddingsQuery, ImageOptionsQuery),
    request_body(
        content(
            (EmbeddingsRequest = "application/json"),
            (EmbeddingsForm = "multipart/form-data"),
            (ImageFile = "image/*"),
        )
    ),
    responses((status = 200, description = "Embeddings, in the order of the items", body = EmbeddingsResponse), LookupErrors, InferenceErrors)
)]
pub async fn create(
    State(state): State<Arc<AppState>>,
    request: Request,
) -> Result<Json<EmbeddingsResponse>, ApiError> {
    let mut form = RequestForm::read(&state, request).await?;
    let (request, images, items) = bounded::within(state.max_items, || read(&form))?;
    form.was_parsed();
    let call = EmbedCall {
        model: request.model,
        items,
        dimensions: request.dimensions,
        options: EmbedOptions {
            truncate: request.truncate.unwrap_or(true),
            images,
            ..form.options
        },
        field: "input",
    };
    let embedded = embed(&state, call, request.partial.unwrap_or(false)).await?;
    let format = request.encoding_format.unwrap_or_default();
    let data = embedded.vectors.into_iter().enumerate();
    let data = data.map(|(index, found)| EmbeddingObject::of(index, found, format));
    Ok(Json(EmbeddingsResponse {
        object: "list",
        data: data.collect(),
        model: embedded.model,
        usage: embedded.tokens.into(),
        warnings: embedded.warnings,
    }))
}

/// With `partial`, an invalid item has its error in its place, also if all are invalid; otherwise the first error fails the
/// call.
pub(super) async fn embed(
    state: &AppState,
    call: EmbedCall,
    partial: bool,
) -> Result<Embeddings<Result<Vec<f32>, ApiError>>, ApiError> {
    if partial {
        return calls::embed_each(state, call).await;
    }
    let embedded = calls::embed(state, call).await?;
    Ok(Embeddings {
        model: embedded.model,
        vectors: embedded.vectors.into_iter().map(Ok).collect(),
        tokens: embedded.tokens,
        warnings: embedded.warnings,
    })
}

fn read(form: &RequestForm) -> Result<(EmbeddingsRequest, ImageOptions, Vec<Item>), ApiError> {
    if let Content::Json(body) = &form.content {
        let (request, items) = from_json(body)?;
        let images = ImageOptions::from(&request);
        return Ok((request, images, items));
    }
    let mut request = EmbeddingsRequest::default();
    let (mut images, mut items) = (ImageOptions::default(), Vec::new());
    for field in form.fields()? {
        match field {
            Field::Image(bytes) => items.push(Item::Image(ImageSource::Bytes(bytes))),
            Field::Named(name, value) => request.field(name, value, &mut images, &mut items)?,
        }
    }
    Ok((request, images, items))
}

pub(super) fn from_json(body: &[u8]) -> Result<(EmbeddingsRequest, Vec<Item>), ApiError> {
    let mut request: EmbeddingsRequest = json_body::parse(body)?;
    let modality = request.modality.unwrap_or_default();
    let entries = std::mem::take(&mut request.input.0).into_iter();
    let items = entries.map(|entry| match (entry, modality) {
        (Entry::Text(text), _) | (Entry::Plain(text), Modality::Text) => Item::Text(text),
        (Entry::Image(image), _) | (Entry::Plain(image), Modality::Image) => {
            Item::Image(ImageSource::Base64(image))
        }
    });
    Ok((request, items.collect()))
}

impl EmbeddingsRequest {
    /// A form field or query parameter.
    fn field(
        &mut self,
        name: &str,
        value: &str,
        images: &mut ImageOptions,
        items: &mut Vec<Item>,
    ) -> Result<(), ApiError> {
        match name {
            "text" | "texts" => items.push(Item::Text(value.to_owned())),
            "model" => self.model = Some(value.to_owned()),
            "dimensions" => {
                self.dimensions = Some(value_of(name, value, "dimensions is a whole number")?);
            }
            "truncate" => self.truncate = Some(value_of(name, value, "truncate is true or false")?),
            "partial" => self.partial = Some(value_of(name, value, "partial is true or false")?),
            "modality" => {}
            "encoding_format" => self.encoding_format = Some(value_of(name, value, FORMATS)?),
            // Unknown fields are ignored, as in JSON.
            _ => request_options::image_option(images, name, value)?,
        }
        Ok(())
    }
}
