//! The request of `/v2/embed`, and what it asks for.

use serde::Deserialize;
use utoipa::ToSchema;

use crate::api::answer_size::{self, NUMBER, of_text};
use crate::api::rest::encoding::EncodingFormat;
use crate::api::rest::image_option_fields::with_image_options;
use crate::api::rest::item_list::{Entry, EntryList};
use crate::api::rest::json_body;
use crate::api::rest::schemas::{Images, Items, Texts};
use crate::api::{ApiError, AppState};
use crate::engine::{ImageSource, Item};
use crate::error_code::Code;
use crate::preprocess::ImageOptions;

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

/// The parsed request.
#[derive(Debug)]
pub(super) struct ParsedRequest {
    pub(super) model: Option<String>,
    pub(super) items: Vec<Item>,
    /// The name of the list that was given.
    pub(super) field: &'static str,
    pub(super) formats: Vec<EncodingFormat>,
    pub(super) dimensions: Option<usize>,
    pub(super) truncate: bool,
    pub(super) partial: bool,
    pub(super) images: ImageOptions,
}

impl ParsedRequest {
    /// The texts to return, and bytes reserved for the parts of the answer besides one list of embeddings.
    pub(super) fn echo(&self, state: &AppState) -> Result<Vec<String>, ApiError> {
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
