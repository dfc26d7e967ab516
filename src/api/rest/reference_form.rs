//! The request that makes a reference, or adds images to one: JSON, a form, or an image as the raw body.

use axum::extract::Request;
use serde::Deserialize;
use utoipa::ToSchema;

use super::image_option_fields::with_image_options;
use super::item_list::{Entry, EntryList};
use super::json_body;
use super::request_form::{Content, Field, RequestForm, value_of};
use super::schemas::{ImageFile, Images};
use crate::api::contract::request_options;
use crate::api::{ApiError, AppState};
use crate::bounded;
use crate::engine::{EmbedOptions, ImageSource};
use crate::error_code::Code;
use crate::inspection::masks::Polygon;
use crate::preprocess::ImageOptions;
use crate::references::{Definition, Photograph, Places, check_resolution};

const A_RESOLUTION: &str = "a resolution is a whole number of pixels, from 128 to 960";

with_image_options! {
    /// Images of good parts.
    #[derive(Debug, Deserialize, ToSchema)]
    pub struct ReferenceRequest {
        /// The model; the default one if none is named.
        model: Option<String>,
        /// Images of good parts. The first one is what others are aligned with.
        #[serde(alias = "image")]
        #[schema(value_type = Images)]
        images: Option<EntryList>,
        /// Polygons of corners [x, y] in pixels of the first image: only what lies inside one of them is compared.
        #[schema(value_type = Option<Vec<Vec<[f64; 2]>>>)]
        regions: Option<Vec<Polygon>>,
        /// Polygons of corners [x, y] in pixels of the first image: what lies inside one of them is not compared.
        #[schema(value_type = Option<Vec<Vec<[f64; 2]>>>)]
        ignore: Option<Vec<Polygon>>,
        /// A picture of the size of the first image: only where it is bright (grey 128 and above) is compared.
        #[schema(value_type = Option<ImageSource>)]
        mask: Option<String>,
        /// The side of a square, in pixels: pictures are compared with as many pixels as it has, in their own shape. Small defects
        /// need more pixels; fewer take less time. The model's own by default.
        #[schema(minimum = 128, maximum = 960)]
        resolution: Option<u32>,
    }
}

with_image_options! {
    form
    /// The same as a form.
    #[derive(ToSchema)]
    #[expect(dead_code, reason = "describes the fields that are read below")]
    pub struct ReferenceForm {
        /// Images of good parts.
        #[schema(inline, min_items = 1)]
        image: Vec<ImageFile>,
        /// The model; the default one if none is named.
        #[schema(required = false)]
        model: String,
        /// Polygons as JSON: `[[[x, y], …], …]`.
        #[schema(required = false)]
        regions: String,
        /// Polygons as JSON: `[[[x, y], …], …]`.
        #[schema(required = false)]
        ignore: String,
        /// A picture of the size of the first image: only where it is bright (grey 128 and above) is compared.
        #[schema(inline, required = false)]
        mask: ImageFile,
        /// The side of a square, in pixels: pictures are compared with as many pixels as it has, in their own shape. Small defects
        /// need more pixels; fewer take less time. The model's own by default.
        #[schema(required = false, minimum = 128, maximum = 960)]
        resolution: u32,
    }
}

/// A request as it was read.
#[derive(Debug)]
pub struct Read {
    /// Everything but the images.
    pub definition: Definition,
    /// The images.
    pub images: Vec<ImageSource>,
    /// Lane and deadline.
    pub options: EmbedOptions,
    _form: RequestForm,
}

/// Reads a request.
pub async fn read(state: &AppState, request: Request) -> Result<Read, ApiError> {
    let mut form = RequestForm::read(state, request).await?;
    let mask = form.take_mask()?;
    let (mut definition, images) = match &form.content {
        Content::Json(body) => bounded::within(state.max_items, || from_json(body))?,
        Content::Multipart(_) | Content::Image(_) => from_fields(&form)?,
    };
    if let Some(mask) = mask {
        definition.places.mask = Some(Photograph(mask));
    }
    form.was_parsed();
    form.will_learn(&images, &definition.places)?;
    definition.places.check()?;
    check_resolution(definition.resolution)?;
    Ok(Read {
        definition,
        images,
        options: form.options,
        _form: form,
    })
}

fn from_json(body: &[u8]) -> Result<(Definition, Vec<ImageSource>), ApiError> {
    let json: ReferenceRequest = json_body::parse(body)?;
    let image_options = ImageOptions::from(&json);
    let images = json.images.unwrap_or_default().0.into_iter().enumerate();
    let images = images.map(|(i, entry)| match entry {
        Entry::Plain(image) | Entry::Image(image) => Ok(ImageSource::Base64(image)),
        Entry::Text(_) => {
            let message = "expected an image, found a text";
            Err(ApiError::new(Code::InvalidRequest, message).at(format!("images[{i}]")))
        }
    });
    let definition = Definition {
        model: json.model,
        places: places_of(json.regions, json.ignore, json.mask)?,
        image_options,
        resolution: json.resolution,
        ..Definition::default()
    };
    Ok((definition, images.collect::<Result<_, _>>()?))
}

fn from_fields(form: &RequestForm) -> Result<(Definition, Vec<ImageSource>), ApiError> {
    let mut definition = Definition::default();
    let mut images = Vec::new();
    for field in form.fields()? {
        match field {
            Field::Image(bytes) => images.push(ImageSource::Bytes(bytes)),
            Field::Named("model", value) => definition.model = Some(value.to_owned()),
            Field::Named(name, value) => {
                let Definition {
                    places, resolution, ..
                } = &mut definition;
                if !is_look(name, value, places, resolution)? {
                    // Unknown fields are ignored, as in JSON.
                    request_options::image_option(&mut definition.image_options, name, value)?;
                }
            }
        }
    }
    Ok((definition, images))
}

/// The places of a JSON body.
pub fn places_of(
    regions: Option<Vec<Polygon>>,
    ignore: Option<Vec<Polygon>>,
    mask: Option<String>,
) -> Result<Places, ApiError> {
    Ok(Places {
        regions: regions.unwrap_or_default(),
        ignore: ignore.unwrap_or_default(),
        mask: mask_of(mask)?,
    })
}

/// Reads a field of a form that says where or how finely to look. False for any other field.
pub fn is_look(
    field: &str,
    value: &str,
    places: &mut Places,
    resolution: &mut Option<u32>,
) -> Result<bool, ApiError> {
    match field {
        "regions" => places.regions = polygons(field, value)?,
        "ignore" => places.ignore = polygons(field, value)?,
        "resolution" => *resolution = Some(value_of(field, value, A_RESOLUTION)?),
        _ => return Ok(false),
    }
    Ok(true)
}

/// The picture in the field `mask` of JSON.
fn mask_of(given: Option<String>) -> Result<Option<Photograph>, ApiError> {
    let decoded = |text| {
        let mask = ImageSource::Base64(text);
        let bytes = mask
            .bytes()
            .map_err(|error| ApiError::from(error).at("mask"))?;
        Ok(Photograph(bytes.into_owned().into()))
    };
    given.map(decoded).transpose()
}

/// Polygons in a field of a form.
fn polygons(name: &str, text: &str) -> Result<Vec<Polygon>, ApiError> {
    let wrong = |error: serde_json::Error| {
        let message = format!("polygons are JSON such as [[[0, 0], [9, 0], [9, 9]]]: {error}");
        ApiError::new(Code::InvalidRequest, message).at(name)
    };
    serde_json::from_str(text).map_err(wrong)
}
