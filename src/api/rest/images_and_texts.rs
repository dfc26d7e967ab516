//! The request of `/v1/similarity` and `/v1/classify`: images and texts, in any form.

use axum::extract::Request;
use serde::Deserialize;

use super::item_list::{Entry, EntryList};
use super::json_body;
use super::request_form::{Content, Field, RequestForm};
use crate::api::{ApiError, AppState};
use crate::engine::{EmbedOptions, Embedded, Embedding, ImageSource, Item, Model};

/// Images and texts to be compared. `texts_field` is what the endpoint calls its texts.
#[derive(Debug)]
pub struct ImagesAndTexts {
    /// The model that is asked for.
    pub model: Option<String>,
    /// At least one.
    pub images: Vec<ImageSource>,
    /// At least one.
    pub texts: Vec<String>,
    /// Cut long texts, or refuse them.
    pub truncate: bool,
    options: EmbedOptions,
    texts_field: &'static str,
    _form: Option<RequestForm>,
}

#[derive(Debug, Deserialize)]
struct Json {
    #[serde(default)]
    model: Option<String>,
    #[serde(default, alias = "image")]
    images: EntryList,
    #[serde(default, alias = "text")]
    texts: EntryList,
    #[serde(default, alias = "label")]
    labels: EntryList,
    #[serde(default = "yes")]
    truncate: bool,
}

fn yes() -> bool {
    true
}

impl ImagesAndTexts {
    /// Reads the request and checks it against the server's limits.
    pub async fn read(
        state: &AppState,
        request: Request,
        texts_field: &'static str,
    ) -> Result<Self, ApiError> {
        let form = RequestForm::read(state, request).await?;
        let mut this = match &form.content {
            Content::Json(body) => Self::from_json(json_body::parse(body)?, texts_field)?,
            Content::Multipart(_) | Content::Image(_) => Self::from_fields(&form, texts_field)?,
        };
        this.options = form.options;
        this._form = Some(form);
        this.check(state.max_items)?;
        Ok(this)
    }

    fn from_json(json: Json, texts_field: &'static str) -> Result<Self, ApiError> {
        let texts = if json.texts.0.is_empty() {
            json.labels
        } else {
            json.texts
        };
        let images = json
            .images
            .0
            .into_iter()
            .enumerate()
            .map(|(i, entry)| match entry {
                Entry::Plain(image) | Entry::Image(image) => Ok(ImageSource::Base64(image)),
                Entry::Text(_) => Err(misplaced(format!("images[{i}]"), "an image", "a text")),
            });
        let texts = texts
            .0
            .into_iter()
            .enumerate()
            .map(|(i, entry)| match entry {
                Entry::Plain(text) | Entry::Text(text) => Ok(text),
                Entry::Image(_) => Err(misplaced(
                    format!("{texts_field}[{i}]"),
                    "a text",
                    "an image",
                )),
            });
        Ok(Self {
            model: json.model,
            images: images.collect::<Result<_, _>>()?,
            texts: texts.collect::<Result<_, _>>()?,
            truncate: json.truncate,
            options: EmbedOptions::default(),
            texts_field,
            _form: None,
        })
    }

    /// Multipart fields, with query parameters as fields that came first; a raw body is the one image.
    fn from_fields(form: &RequestForm, texts_field: &'static str) -> Result<Self, ApiError> {
        let mut this = Self {
            model: None,
            images: vec![],
            texts: vec![],
            truncate: true,
            options: EmbedOptions::default(),
            texts_field,
            _form: None,
        };
        for field in form.fields()? {
            match field {
                Field::Image(bytes) => this.images.push(ImageSource::Bytes(bytes)),
                Field::Named(name, value) => this.field(name, value)?,
            }
        }
        Ok(this)
    }

    fn field(&mut self, name: &str, value: &str) -> Result<(), ApiError> {
        match name {
            "model" => self.model = Some(value.to_owned()),
            "text" | "texts" | "label" | "labels" => self.texts.push(value.to_owned()),
            "truncate" => {
                let expected = |_| {
                    ApiError::bad_request("invalid_request", "truncate is true or false")
                        .at("truncate")
                };
                self.truncate = value.parse().map_err(expected)?;
            }
            other => {
                let message = format!(
                    "unknown field {other:?}; there are image, {}, model and truncate",
                    self.texts_field
                );
                return Err(ApiError::bad_request("invalid_request", message).at(other));
            }
        }
        Ok(())
    }

    fn check(&self, max_items: usize) -> Result<(), ApiError> {
        let field = self.texts_field;
        if self.images.is_empty() {
            return Err(
                ApiError::bad_request("no_images", "at least one image is needed").at("images"),
            );
        }
        if self.texts.is_empty() {
            return Err(ApiError::bad_request("no_texts", "at least one text is needed").at(field));
        }
        check_items(self.images.len() + self.texts.len(), max_items)
    }

    /// Embeds everything as one request; gives the images' embeddings and the texts', and what it cost.
    pub async fn embed(
        &mut self,
        model: &Model,
    ) -> Result<(Vec<Embedding>, Vec<Embedding>, Embedded), ApiError> {
        let images = std::mem::take(&mut self.images);
        let count = images.len();
        let texts = self.texts.iter().cloned().map(Item::Text);
        let items = images.into_iter().map(Item::Image).chain(texts).collect();
        let options = EmbedOptions {
            truncate: self.truncate,
            ..self.options
        };
        let field = self.texts_field;
        let mut embedded = model.embed(items, options).await.map_err(|error| {
            ApiError::from_embed(error, |i| {
                if i < count {
                    format!("images[{i}]")
                } else {
                    format!("{field}[{}]", i - count)
                }
            })
        })?;
        let texts = embedded.embeddings.split_off(count);
        Ok((std::mem::take(&mut embedded.embeddings), texts, embedded))
    }
}

/// 400 `too_many_items` if a request holds more items than the server takes.
pub fn check_items(items: usize, max_items: usize) -> Result<(), ApiError> {
    if items <= max_items {
        return Ok(());
    }
    let message =
        format!("the request has {items} items, at most {max_items} are taken; send it in parts");
    Err(ApiError::bad_request("too_many_items", message))
}

fn misplaced(param: String, expected: &str, found: &str) -> ApiError {
    ApiError::bad_request(
        "invalid_request",
        format!("{expected} is expected here, this is {found}"),
    )
    .at(param)
}
