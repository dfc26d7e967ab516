//! The request of `/v1/compare`, in any form.

use axum::extract::Request;
use bytes::Bytes;
use serde::Deserialize;
use utoipa::ToSchema;

use super::statement_list::StatementList;
use crate::api::contract::request_options;
use crate::api::rest::image_option_fields::with_image_options;
use crate::api::rest::item_list::{Entry, EntryList};
use crate::api::rest::json_body;
use crate::api::rest::map_field::MapField;
use crate::api::rest::png::wants_png;
use crate::api::rest::reference_form::{is_look, places_of};
use crate::api::rest::request_form::{Content, Field, RequestForm, value_of};
use crate::api::rest::schemas::{ImageFile, Images, Statements};
use crate::api::{ApiError, AppState};
use crate::bounded;
use crate::calls::{self, Against, CompareCall, Given, MapKind, Said};
use crate::engine::{EmbedOptions, ImageSource};
use crate::error_code::Code;
use crate::inspection::masks::Polygon;
use crate::preprocess::ImageOptions;
use crate::references::Photograph;

with_image_options! {
    /// Images to compare with a reference, in JSON.
    #[derive(Debug, Default, Deserialize, ToSchema)]
    pub struct CompareRequest {
        /// The model; the reference's, or the default one, if none is named.
        model: Option<String>,
        /// A stored reference, by name.
        reference: Option<String>,
        /// Images of good parts, instead of a stored reference.
        #[schema(value_type = Option<Images>)]
        references: Option<EntryList>,
        /// Only with `references`: polygons of corners [x, y] in pixels of the first one. Only what lies inside one of them is compared.
        #[schema(value_type = Option<Vec<Vec<[f64; 2]>>>)]
        regions: Option<Vec<Polygon>>,
        /// Only with `references`: polygons of corners [x, y] in pixels of the first one. What lies inside one of them is not compared.
        #[schema(value_type = Option<Vec<Vec<[f64; 2]>>>)]
        ignore: Option<Vec<Polygon>>,
        /// Only with `references`: a picture of the size of the first one. Only where it is bright (grey 128 and above) is compared.
        #[schema(value_type = Option<ImageSource>)]
        mask: Option<String>,
        /// Only with `references`: the side of a square, in pixels. Pictures are compared with as many pixels as it has, in their
        /// own shape; the model's own by default.
        #[schema(minimum = 128, maximum = 960)]
        resolution: Option<u32>,
        /// The images to compare.
        #[serde(alias = "image")]
        #[schema(value_type = Images)]
        images: Option<EntryList>,
        /// Texts about the difference, to be ranked for each image.
        #[serde(alias = "statement")]
        #[schema(value_type = Option<Statements>)]
        statements: Option<StatementList>,
        map: Option<MapField>,
        /// Whether texts longer than the model's context are truncated (the default) or refused.
        truncate: Option<bool>,
    }
}

with_image_options! {
    form
    /// The same as a form.
    #[derive(ToSchema)]
    #[expect(dead_code, reason = "describes the fields that are read below")]
    pub struct CompareForm {
        /// The images to compare.
        #[schema(inline, min_items = 1)]
        image: Vec<ImageFile>,
        /// Images of good parts, as files; or, as a text, the name of a stored reference.
        #[schema(inline, required = false)]
        reference: Vec<ImageFile>,
        /// Polygons as JSON: `[[[x, y], …], …]`. Only with reference images, as in JSON.
        #[schema(required = false)]
        regions: String,
        /// Polygons as JSON: `[[[x, y], …], …]`. Only with reference images, as in JSON.
        #[schema(required = false)]
        ignore: String,
        /// A picture of the size of the first reference image. Only with reference images, as in JSON.
        #[schema(inline, required = false)]
        mask: ImageFile,
        /// The side of a square, in pixels. Only with reference images, as in JSON.
        #[schema(required = false, minimum = 128, maximum = 960)]
        resolution: u32,
        /// Texts about the difference; may be in the query instead.
        #[schema(required = false)]
        statement: Vec<String>,
        /// What is true of the reference, for the statement before it.
        #[schema(required = false)]
        reference_text: Vec<String>,
        #[schema(inline, required = false)]
        map: MapField,
        /// The model; the reference's, or the default one, if none is named.
        #[schema(required = false)]
        model: String,
        /// Whether texts longer than the model's context are truncated (the default) or refused.
        #[schema(required = false)]
        truncate: bool,
    }
}

/// A call as it was read.
#[derive(Debug)]
pub struct Read {
    /// The call.
    pub call: CompareCall,
    /// Whether the client wants the map itself, and no JSON.
    pub as_picture: bool,
    _form: RequestForm,
}

/// Reads a request.
pub async fn read(state: &AppState, request: Request) -> Result<Read, ApiError> {
    let as_picture = wants_png(request.headers());
    let mut form = RequestForm::read(state, request).await?;
    let given = form.take_references();
    let mask = form.take_mask()?;
    let mut call = match &form.content {
        Content::Json(body) => bounded::within(state.max_items, || from_json(body))?,
        Content::Multipart(_) | Content::Image(_) => from_fields(&form, given, mask)?,
    };
    form.was_parsed();
    if let Against::Images(given) = &call.against {
        form.will_learn(&given.images, &given.places)?;
    }
    call.options = EmbedOptions {
        truncate: call.options.truncate,
        images: call.options.images,
        ..form.options
    };
    if as_picture {
        if call.images.len() != 1 {
            let message = format!(
                "a map as the answer is of one image, the request has {}; ask for JSON with \"map\": true",
                call.images.len()
            );
            return Err(ApiError::new(Code::InvalidRequest, message).at("images"));
        }
        call.map = call.map.or(Some(MapKind::Overlay));
    }
    Ok(Read {
        call,
        as_picture,
        _form: form,
    })
}

/// The call of a JSON body.
pub fn from_json(body: &[u8]) -> Result<CompareCall, ApiError> {
    let json: CompareRequest = json_body::parse(body)?;
    let options = EmbedOptions {
        truncate: json.truncate.unwrap_or(true),
        images: ImageOptions::from(&json),
        ..EmbedOptions::default()
    };
    let given = Given {
        images: images("references", json.references.unwrap_or_default())?,
        places: places_of(json.regions, json.ignore, json.mask)?,
        resolution: json.resolution,
    };
    Ok(CompareCall {
        model: json.model,
        learnt_by: None,
        against: calls::against(json.reference, given)?,
        images: images("images", json.images.unwrap_or_default())?,
        statements: json.statements.unwrap_or_default().0,
        map: kind(json.map)?,
        options,
    })
}

fn images(field: &str, list: EntryList) -> Result<Vec<ImageSource>, ApiError> {
    let one = |(i, entry): (usize, Entry)| match entry {
        Entry::Plain(image) | Entry::Image(image) => Ok(ImageSource::Base64(image)),
        Entry::Text(_) => {
            let message = "expected an image, found a text";
            Err(ApiError::new(Code::InvalidRequest, message).at(format!("{field}[{i}]")))
        }
    };
    list.0.into_iter().enumerate().map(one).collect()
}

/// The map that is wanted: colours to be laid over the image, unless another kind is named.
fn kind(map: Option<MapField>) -> Result<Option<MapKind>, ApiError> {
    map.map_or(Ok(None), |map| map.kind(MapKind::Colours))
}

/// Query parameters and the fields of a form, without the images that are called `reference`, and the mask.
fn from_fields(
    form: &RequestForm,
    references: Vec<Bytes>,
    mask: Option<Bytes>,
) -> Result<CompareCall, ApiError> {
    let mut given = Given {
        images: references.into_iter().map(ImageSource::Bytes).collect(),
        ..Given::default()
    };
    given.places.mask = mask.map(Photograph);
    let (mut name, mut model, mut map) = (None, None, None);
    let (mut images, mut statements) = (Vec::new(), Vec::<Said>::new());
    let mut options = EmbedOptions::default();
    for field in form.fields()? {
        let (field, value) = match field {
            Field::Image(bytes) => {
                images.push(ImageSource::Bytes(bytes));
                continue;
            }
            Field::Named(field, value) => (field, value),
        };
        match field {
            "reference" | "references" => name = Some(value.to_owned()),
            "model" => model = Some(value.to_owned()),
            "statement" | "statements" => statements.push(Said {
                text: value.to_owned(),
                reference_text: None,
            }),
            "reference_text" => {
                let before = statements.last_mut();
                let before = before.filter(|said| said.reference_text.is_none());
                let before = before.ok_or_else(|| {
                    let message = "a reference_text belongs to the statement before it";
                    ApiError::new(Code::InvalidRequest, message).at(field)
                })?;
                before.reference_text = Some(value.to_owned());
            }
            "map" => map = Some(MapField::of(value)),
            "truncate" => options.truncate = value_of(field, value, "truncate is true or false")?,
            _ if is_look(field, value, &mut given.places, &mut given.resolution)? => {}
            // Unknown fields are ignored, as in JSON.
            _ => request_options::image_option(&mut options.images, field, value)?,
        }
    }
    Ok(CompareCall {
        model,
        learnt_by: None,
        against: calls::against(name, given)?,
        images,
        statements,
        map: kind(map)?,
        options,
    })
}
