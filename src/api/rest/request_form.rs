//! The three forms of a request: JSON, multipart/form-data, or an image as the raw body.

use std::str::FromStr;

use axum::extract::{FromRequest, Multipart, Query, Request};
use axum::http::request::Parts;
use axum::http::{HeaderMap, header};
use bytes::Bytes;

use crate::api::admission::drain;
use crate::api::byte_share::AdmittedBody;
use crate::api::chunks::Chunks;
use crate::api::contract::request_options;
use crate::api::unpacked::coding_of;
use crate::api::{ApiError, AppState, Caller};
use crate::engine::{EmbedOptions, ImageSource, Lane};
use crate::error_code::Code;
use crate::quoted::quoted;
use crate::references::Places;

/// A request's content, read completely.
#[derive(Debug)]
pub struct RequestForm {
    /// The content by form.
    pub content: Content,
    /// Query parameters in order; a name may be repeated.
    pub query: Vec<(String, String)>,
    /// The options in the headers.
    pub options: EmbedOptions,
    /// Keeps the body's share of the byte budget.
    body: AdmittedBody,
}

/// The content by its form.
#[derive(Debug)]
pub enum Content {
    /// `application/json`
    Json(Bytes),
    /// `multipart/form-data`
    Multipart(Vec<Part>),
    /// `image/…` or `application/octet-stream`: the body is one image.
    Image(Bytes),
}

/// One part of multipart/form-data.
#[derive(Debug)]
pub struct Part {
    /// The field's name.
    pub name: String,
    /// Its content.
    pub bytes: Bytes,
    /// Whether it has a file name.
    pub is_file: bool,
}

/// Names of the parts that may contain an image.
const IMAGES: [&str; 5] = ["image", "images", "image[]", "images[]", "file"];

/// Names of the parts that may contain an image to compare with.
const REFERENCES: [&str; 4] = ["reference", "references", "reference[]", "references[]"];

/// All other fields of all routes.
const FIELDS: [&str; 30] = [
    "text",
    "texts",
    "label",
    "labels",
    "labelset",
    "map",
    "method",
    "model",
    "dimensions",
    "encoding_format",
    "truncate",
    "modality",
    "value_bits",
    "exif_orientation",
    "alpha",
    "partial",
    "reference",
    "references",
    "reference_text",
    "statement",
    "regions",
    "ignore",
    "resolution",
    "part",
    "lot",
    "station",
    "trigger",
    "declared",
    "class",
    "calibrate",
];

/// A picture of what is compared.
const MASK: &str = "mask";

fn is_known(name: &str) -> bool {
    IMAGES.contains(&name) || FIELDS.contains(&name)
}

/// Maximum number of parts of a multipart body: far beyond normal use, and small enough to parse quickly.
const MAX_PARTS: usize = 10_000;

impl RequestForm {
    /// Reads a request.
    ///
    /// # Errors
    /// 415 for any other content type, 400 for an invalid body.
    pub async fn read(state: &AppState, request: Request) -> Result<Self, ApiError> {
        let (parts, body) = request.into_parts();
        let Head {
            query,
            options,
            form,
        } = match Head::read(&parts) {
            Ok(head) => head,
            Err(error) => {
                drain(body).await;
                return Err(error);
            }
        };
        let mut body = state.admission.read_unpacked(&parts.headers, body).await?;
        let bytes = body.bytes.clone();
        let content = match form {
            Form::Json => {
                // Fields that gateways add are ignored. A misspelt field of the client would be ignored too, without notice.
                let meant = query.iter().find(|(name, _)| is_known(name));
                if let Some((name, _)) = meant {
                    let message = "query parameters are only for forms and raw images; put them into the JSON";
                    return Err(ApiError::new(Code::InvalidQuery, message).at(name));
                }
                Content::Json(bytes)
            }
            Form::Image if bytes.is_empty() => {
                return Err(ApiError::new(
                    Code::ImageEmpty,
                    "the body is empty; send the image's bytes",
                ));
            }
            Form::Image => Content::Image(bytes),
            Form::Multipart => {
                let chunks = Chunks::of(bytes).into_body();
                let parts = read_parts(Request::from_parts(parts, chunks)).await?;
                body.was_parsed();
                Content::Multipart(parts)
            }
        };
        Ok(Self {
            content,
            query,
            options,
            body,
        })
    }

    /// Must be called after JSON was parsed: see [`AdmittedBody::was_parsed`].
    pub fn was_parsed(&mut self) {
        if let Content::Json(bytes) = &mut self.content {
            *bytes = Bytes::new();
            self.body.was_parsed();
        }
    }

    /// Counts `bytes` for what is made of the body, if that is more than the body itself.
    ///
    /// # Errors
    /// 429 if the byte budget is used up.
    pub fn grows_to(&mut self, bytes: usize) -> Result<(), ApiError> {
        self.body.grows_to(bytes)
    }

    /// Counts reference images and the bytes of a mask: while they are learnt, they are in memory twice.
    ///
    /// # Errors
    /// 429 if the byte budget is used up.
    pub fn will_learn(&mut self, images: &[ImageSource], places: &Places) -> Result<(), ApiError> {
        let bytes = images.iter().map(ImageSource::posted_bytes).sum::<usize>();
        self.grows_to((bytes + places.mask_bytes()).saturating_mul(2))
    }

    /// Takes the images out of a form that are called `reference`: files. A text of that name is the name of a reference.
    pub fn take_references(&mut self) -> Vec<Bytes> {
        let Content::Multipart(parts) = &mut self.content else {
            return Vec::new();
        };
        let is_one = |part: &mut Part| part.is_file && REFERENCES.contains(&part.name.as_str());
        parts
            .extract_if(.., is_one)
            .map(|part| part.bytes)
            .collect()
    }

    /// Takes the picture out of a form that is called `mask`, if there is one.
    ///
    /// # Errors
    /// 400 `invalid_request` if there are several.
    pub fn take_mask(&mut self) -> Result<Option<Bytes>, ApiError> {
        let Content::Multipart(parts) = &mut self.content else {
            return Ok(None);
        };
        let mut masks = parts.extract_if(.., |part| part.name == MASK);
        let mask = masks.next();
        if masks.next().is_some() {
            let message = "a reference has one mask at most";
            return Err(ApiError::new(Code::InvalidRequest, message).at(MASK));
        }
        Ok(mask.map(|mask| mask.bytes))
    }

    /// Query parameters, then the body's fields, in order; a raw body is one image. JSON has no fields.
    ///
    /// # Errors
    /// 400 `text_not_utf8`, or `unknown_field` for a file, with the field's name.
    pub fn fields(&self) -> Result<Vec<Field<'_>>, ApiError> {
        let query = self
            .query
            .iter()
            .map(|(name, value)| Ok(Field::Named(name, value)));
        let parts: &[Part] = match &self.content {
            Content::Multipart(parts) => parts,
            _ => &[],
        };
        let raw = match &self.content {
            Content::Image(bytes) => Some(Ok(Field::Image(bytes.clone()))),
            _ => None,
        };
        query
            .chain(parts.iter().map(Part::field))
            .chain(raw)
            .collect()
    }
}

/// A field of a form, a query parameter, or a raw body.
#[derive(Debug)]
pub enum Field<'a> {
    /// An image's bytes.
    Image(Bytes),
    /// Any other field: name and value.
    Named(&'a str, &'a str),
}

/// The value of a field; `expected` says in the error what it must be.
///
/// # Errors
/// 400 `invalid_request` with the field's name.
pub fn value_of<T: FromStr>(name: &str, value: &str, expected: &str) -> Result<T, ApiError> {
    let invalid = |_| ApiError::new(Code::InvalidRequest, expected).at(name);
    value.parse().map_err(invalid)
}

impl Part {
    fn field(&self) -> Result<Field<'_>, ApiError> {
        if IMAGES.contains(&self.name.as_str()) {
            return Ok(Field::Image(self.bytes.clone()));
        }
        let is_text = std::str::from_utf8(&self.bytes).is_ok();
        // Unknown fields are ignored, as in JSON; an unknown file is an error, because it would be lost.
        if !is_known(&self.name) && (self.is_file || !is_text) {
            let message = format!(
                "unknown file field {}; send images as image",
                quoted(&self.name)
            );
            return Err(ApiError::new(Code::UnknownField, message).at(&self.name));
        }
        let value = std::str::from_utf8(&self.bytes).map_err(|_| {
            ApiError::new(Code::TextNotUtf8, "the field is not UTF-8").at(&self.name)
        })?;
        Ok(Field::Named(&self.name, value))
    }
}

/// The head of a request, before its body is read.
struct Head {
    query: Vec<(String, String)>,
    options: EmbedOptions,
    form: Form,
}

impl Head {
    fn read(parts: &Parts) -> Result<Self, ApiError> {
        let Query(query) = Query::try_from_uri(&parts.uri)
            .map_err(|e| ApiError::new(Code::InvalidQuery, e.body_text()))?;
        let caller = parts.extensions.get::<Caller>();
        let options = request_options::read(&parts.headers, caller, Lane::default())?;
        coding_of(&parts.headers)?;
        let form = form_of(&parts.headers)?;
        Ok(Self {
            query,
            options,
            form,
        })
    }
}

enum Form {
    Json,
    Multipart,
    Image,
}

fn form_of(headers: &HeaderMap) -> Result<Form, ApiError> {
    let value = headers
        .get(header::CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default();
    let essence = value
        .split(';')
        .next()
        .unwrap_or_default()
        .trim()
        .to_ascii_lowercase();
    match essence.as_str() {
        "application/json" => Ok(Form::Json),
        "multipart/form-data" => Ok(Form::Multipart),
        "application/octet-stream" => Ok(Form::Image),
        image if image.starts_with("image/") => Ok(Form::Image),
        other => {
            let other = quoted(other);
            let message = format!(
                "content type {other} is not supported; send application/json, multipart/form-data, or an image with its own type (image/jpeg, …)"
            );
            Err(ApiError::new(Code::UnsupportedContentType, message))
        }
    }
}

async fn read_parts(request: Request) -> Result<Vec<Part>, ApiError> {
    let invalid = |reason: String| ApiError::new(Code::InvalidMultipart, reason);
    let mut multipart = Multipart::from_request(request, &())
        .await
        .map_err(|e| invalid(e.body_text()))?;
    let mut parts = Vec::new();
    while let Some(field) = multipart
        .next_field()
        .await
        .map_err(|e| invalid(e.body_text()))?
    {
        if parts.len() == MAX_PARTS {
            return Err(invalid(format!("more than {MAX_PARTS} parts")));
        }
        let is_file = field.file_name().is_some();
        let name = field.name().unwrap_or_default().to_owned();
        let bytes = field.bytes().await.map_err(|e| invalid(e.body_text()))?;
        parts.push(Part {
            name,
            bytes,
            is_file,
        });
    }
    Ok(parts)
}
