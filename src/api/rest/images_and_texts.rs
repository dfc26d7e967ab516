//! The request of `/v1/similarity`, `/v1/classify` and `/v1/explain`: images and texts, in any form.

use axum::extract::Request;
use serde::Deserialize;
use utoipa::ToSchema;

use super::image_option_fields::with_image_options;
use super::item_list::{Entry, EntryList};
use super::json_body;
use super::map_field::MapField;
use super::method_field::MethodField;
use super::request_form::{Content, Field, RequestForm, value_of};
use super::schemas::{ImageFile, Images, Texts};
use crate::api::contract::request_options;
use crate::api::{ApiError, AppState};
use crate::bounded;
use crate::engine::{EmbedOptions, ImageSource};
use crate::error_code::Code;
use crate::preprocess::{Alpha, ImageOptions, ValueBits};

/// Images and texts to compare. `texts_field` is the name of the texts on the route.
#[derive(Debug)]
pub struct ImagesAndTexts {
    /// The model that is asked for.
    pub model: Option<String>,
    /// The images.
    pub images: Vec<ImageSource>,
    /// The texts.
    pub texts: Vec<String>,
    /// The label set, instead of texts.
    pub labelset: Option<String>,
    /// For `/v1/explain`: the maps that are asked for.
    pub map: Option<MapField>,
    /// For `/v1/explain`: how maps are made.
    pub method: Option<MethodField>,
    /// Lane, deadline, and whether long texts are truncated.
    pub options: EmbedOptions,
    texts_field: &'static str,
    /// Whether a form's texts were called labels.
    spelled_labels: Option<bool>,
    _form: Option<RequestForm>,
}

with_image_options! {
    #[derive(Debug, Deserialize, ToSchema)]
    struct Json {
        model: Option<String>,
        #[serde(alias = "image")]
        #[schema(value_type = Option<Images>)]
        images: Option<EntryList>,
        #[serde(alias = "text")]
        #[schema(value_type = Option<Texts>)]
        texts: Option<EntryList>,
        #[serde(alias = "label")]
        #[schema(value_type = Option<Texts>)]
        labels: Option<EntryList>,
        labelset: Option<String>,
        #[schema(value_type = Option<bool>)]
        map: Option<MapField>,
        #[schema(value_type = Option<String>)]
        method: Option<MethodField>,
        truncate: Option<bool>,
    }
}

with_image_options! {
    /// Images and texts in JSON.
    #[derive(ToSchema)]
    #[expect(dead_code, reason = "describes what Json reads for /v1/similarity")]
    pub struct SimilarityRequest {
        /// The model; the default one if none is named.
        model: Option<String>,
        images: Images,
        texts: Texts,
        /// Whether texts longer than the model's context are truncated or refused.
        #[schema(default = true)]
        truncate: Option<bool>,
    }
}

/// Images and labels in JSON, or a label set.
#[derive(ToSchema)]
#[serde(untagged)]
#[expect(dead_code, reason = "describes what Json reads for /v1/classify")]
pub enum ClassifyRequest {
    #[schema(title = "with labels")]
    Labels {
        /// The model; the default one if none is named.
        model: Option<String>,
        images: Images,
        /// What to choose from.
        labels: Texts,
        /// Whether labels longer than the model's context are truncated or refused.
        #[schema(default = true)]
        truncate: Option<bool>,
        /// Number of low bits of 16-bit images that hold the value.
        #[schema(value_type = Option<u8>, minimum = 8, maximum = 16)]
        value_bits: Option<ValueBits>,
        /// Whether images are turned according to their EXIF data.
        exif_orientation: Option<bool>,
        /// How transparency is treated.
        #[schema(inline)]
        alpha: Option<Alpha>,
    },
    #[schema(title = "with a label set")]
    Set {
        /// Nothing, or the label set's model.
        model: Option<String>,
        images: Images,
        /// A label set, by name.
        labelset: String,
        /// Number of low bits of 16-bit images that hold the value.
        #[schema(value_type = Option<u8>, minimum = 8, maximum = 16)]
        value_bits: Option<ValueBits>,
        /// Whether images are turned according to their EXIF data.
        exif_orientation: Option<bool>,
        /// How transparency is treated.
        #[schema(inline)]
        alpha: Option<Alpha>,
    },
}

with_image_options! {
    form
    /// Images and texts as a form.
    #[derive(ToSchema)]
    #[expect(dead_code, reason = "describes the fields that are read below")]
    pub struct SimilarityForm {
        /// Images.
        #[schema(inline, min_items = 1)]
        image: Vec<ImageFile>,
        /// Texts; may be in the query instead.
        #[schema(required = false)]
        text: Vec<String>,
        /// The model; the default one if none is named.
        #[schema(required = false)]
        model: String,
        /// Whether texts longer than the model's context are truncated (the default) or refused.
        #[schema(required = false)]
        truncate: bool,
    }
}

with_image_options! {
    form
    /// Images and labels as a form.
    #[derive(ToSchema)]
    #[expect(dead_code, reason = "describes the fields that are read below")]
    pub struct ClassifyForm {
        /// Images.
        #[schema(inline, min_items = 1)]
        image: Vec<ImageFile>,
        /// Labels; may be in the query instead, or come from a label set.
        #[schema(required = false)]
        label: Vec<String>,
        /// A label set, instead of labels.
        #[schema(required = false)]
        labelset: String,
        /// The model; the label set's, or the default one, if none is named.
        #[schema(required = false)]
        model: String,
        /// Whether labels longer than the model's context are truncated (the default) or refused.
        #[schema(required = false)]
        truncate: bool,
    }
}

impl ImagesAndTexts {
    /// Reads the request and checks it against the server's limits.
    pub async fn read(
        state: &AppState,
        request: Request,
        texts_field: &'static str,
    ) -> Result<Self, ApiError> {
        let mut form = RequestForm::read(state, request).await?;
        let mut this = match &form.content {
            Content::Json(body) => {
                bounded::within(state.max_items, || Self::from_json(body, texts_field))?
            }
            Content::Multipart(_) | Content::Image(_) => Self::from_fields(&form, texts_field)?,
        };
        form.was_parsed();
        this.options = EmbedOptions {
            truncate: this.options.truncate,
            images: this.options.images,
            ..form.options
        };
        this._form = Some(form);
        this.check()?;
        Ok(this)
    }

    pub(super) fn from_json(body: &[u8], texts_field: &'static str) -> Result<Self, ApiError> {
        let json: Json = json_body::parse(body)?;
        let options = ImageOptions::from(&json);
        if json.texts.is_some() && json.labels.is_some() {
            return Err(twice());
        }
        let texts = json.texts.or(json.labels).unwrap_or_default();
        let images = json
            .images
            .unwrap_or_default()
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
            labelset: json.labelset,
            map: json.map,
            method: json.method,
            options: EmbedOptions {
                truncate: json.truncate.unwrap_or(true),
                images: options,
                ..EmbedOptions::default()
            },
            texts_field,
            spelled_labels: None,
            _form: None,
        })
    }

    /// Multipart fields, preceded by the query parameters; a raw body is the only image.
    fn from_fields(form: &RequestForm, texts_field: &'static str) -> Result<Self, ApiError> {
        let mut this = Self {
            model: None,
            images: vec![],
            texts: vec![],
            labelset: None,
            map: None,
            method: None,
            options: EmbedOptions::default(),
            texts_field,
            spelled_labels: None,
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
            "labelset" => self.labelset = Some(value.to_owned()),
            "text" | "texts" | "label" | "labels" => {
                let is_label = name.starts_with("label");
                if self.spelled_labels.is_some_and(|before| before != is_label) {
                    return Err(twice());
                }
                self.spelled_labels = Some(is_label);
                self.texts.push(value.to_owned());
            }
            "map" => self.map = Some(MapField::of(value)),
            "method" => self.method = Some(MethodField::of(value)),
            "truncate" => {
                self.options.truncate = value_of(name, value, "truncate is true or false")?;
            }
            // Unknown fields are ignored, as in JSON.
            _ => request_options::image_option(&mut self.options.images, name, value)?,
        }
        Ok(())
    }

    /// Only `/v1/classify` has labels.
    fn takes_labelset(&self) -> bool {
        self.texts_field == "labels"
    }

    /// Checks for errors that are possible only in this form; the call checks the rest.
    pub(super) fn check(&self) -> Result<(), ApiError> {
        let message = match &self.labelset {
            Some(_) if !self.takes_labelset() => "label sets are for /v1/classify",
            Some(_) if !self.texts.is_empty() => "either a label set or labels, not both",
            _ => return Ok(()),
        };
        Err(ApiError::new(Code::InvalidRequest, message).at("labelset"))
    }
}

fn twice() -> ApiError {
    let message = "texts and labels are the same field; send only one of them";
    ApiError::new(Code::InvalidRequest, message).at("labels")
}

fn misplaced(param: String, expected: &str, found: &str) -> ApiError {
    ApiError::new(
        Code::InvalidRequest,
        format!("expected {expected}, found {found}"),
    )
    .at(param)
}
