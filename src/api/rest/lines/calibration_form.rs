//! The request of a calibration: JSON with parts, or a form with images of parts of one lot and class.

use axum::extract::Request;
use bytes::Bytes;
use serde::Deserialize;
use utoipa::ToSchema;

use super::listed::images_of;
use crate::api::rest::item_list::EntryList;
use crate::api::rest::json_body;
use crate::api::rest::request_form::{Content, Field, RequestForm, value_of};
use crate::api::rest::schemas::{ImageFile, Images};
use crate::api::{ApiError, AppState};
use crate::bounded;
use crate::calls::{Audited, LabelledPart};
use crate::engine::EmbedOptions;
use crate::error_code::Code;
use crate::promise::Class;

/// Views of a part, at most.
const MOST_VIEWS: usize = 16;

/// Longest name of a lot, in bytes.
const LONGEST_LOT: usize = 200;

/// Longest declaration, in bytes.
const LONGEST_DECLARATION: usize = 2000;

/// Parts that a person labelled as they came, and whether the line is calibrated now.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CalibrationRequest {
    /// Which parts these are, and that they were labelled as they came, such as "all of lots 12 to 40". Needed with parts.
    #[schema(max_length = 2000)]
    declared: Option<String>,
    /// Labelled parts; those of earlier requests are kept.
    #[serde(default, deserialize_with = "bounded::list")]
    #[schema(value_type = Vec<PartRequest>)]
    parts: Vec<PartRequest>,
    /// Whether the line is calibrated now (the default), or more parts are to come.
    #[serde(default = "yes")]
    #[schema(default = true)]
    calibrate: bool,
    /// A window whose random audit calibrates too: each audited inspection in it needs a verdict.
    #[schema(inline)]
    audited: Option<Window>,
}

/// A labelled part.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = LabelledPart)]
pub struct PartRequest {
    /// Its lot or shift: parts of a lot are alike.
    #[schema(min_length = 1, max_length = 200)]
    lot: String,
    /// What it is.
    #[schema(inline)]
    class: ClassName,
    /// Its image, or its views, at most 16.
    #[serde(alias = "image")]
    #[schema(value_type = Images)]
    images: Option<EntryList>,
    /// Is refused: a label of an inspected part has no way into a calibration, but the random audit.
    inspection: Option<String>,
}

/// What a part is.
#[derive(Debug, Clone, Copy, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum ClassName {
    /// Good.
    Ok,
    /// Not good.
    Ng,
}

/// A window of time.
#[derive(Debug, Clone, Copy, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Window {
    /// Milliseconds since 1970.
    from: i64,
    /// The first millisecond after it.
    before: i64,
}

/// Parts of one lot and class as a form: each image is a part.
#[derive(ToSchema)]
#[expect(dead_code, reason = "describes the fields that are read below")]
pub struct CalibrationForm {
    /// Images, one for each part.
    #[schema(inline)]
    image: Vec<ImageFile>,
    /// Which parts these are, and that they were labelled as they came.
    #[schema(required = false, max_length = 2000)]
    declared: String,
    /// Their lot or shift.
    #[schema(required = false, min_length = 1, max_length = 200)]
    lot: String,
    /// What they are.
    #[schema(required = false, inline)]
    class: ClassName,
    /// Whether the line is calibrated now (the default), or more parts are to come.
    #[schema(required = false, default = true)]
    calibrate: bool,
}

fn yes() -> bool {
    true
}

/// A request as it was read.
#[derive(Debug)]
pub struct Read {
    /// Which parts they are.
    pub declared: String,
    /// The parts.
    pub parts: Vec<LabelledPart>,
    /// Whether the line is calibrated now.
    pub calibrate: bool,
    /// The window of the audit.
    pub audited: Option<Audited>,
    /// Lane and deadline.
    pub options: EmbedOptions,
    _form: RequestForm,
}

/// Reads a request.
///
/// # Errors
/// [`ApiError`] with the field.
pub async fn read(state: &AppState, request: Request) -> Result<Read, ApiError> {
    let mut form = RequestForm::read(state, request).await?;
    let asked = match &form.content {
        Content::Json(body) => Some(bounded::within(state.max_items, || {
            json_body::parse::<CalibrationRequest>(body)
        })?),
        Content::Multipart(_) => None,
        Content::Image(_) => {
            let message = "send JSON, or a form with image files, declared, lot and class";
            return Err(ApiError::new(Code::UnsupportedContentType, message));
        }
    };
    let read = match asked {
        Some(asked) => {
            form.was_parsed();
            from_json(asked, &mut form)?
        }
        None => from_fields(&form)?,
    };
    let (declared, parts, calibrate, audited) = read;
    if declared.len() > LONGEST_DECLARATION {
        let message = format!("at most {LONGEST_DECLARATION} bytes");
        return Err(ApiError::new(Code::InvalidRequest, message).at("declared"));
    }
    for (number, part) in parts.iter().enumerate() {
        check(part).map_err(|(field, message)| {
            ApiError::new(Code::InvalidRequest, message).at(format!("parts[{number}].{field}"))
        })?;
    }
    Ok(Read {
        declared,
        parts,
        calibrate,
        audited,
        options: form.options,
        _form: form,
    })
}

type Asked = (String, Vec<LabelledPart>, bool, Option<Audited>);

fn from_json(asked: CalibrationRequest, form: &mut RequestForm) -> Result<Asked, ApiError> {
    let mut parts = Vec::with_capacity(asked.parts.len());
    let mut bytes = 0_usize;
    for (number, part) in asked.parts.into_iter().enumerate() {
        if part.inspection.is_some() {
            let message = "labels of inspected parts cannot calibrate a line, because the line chose which parts a person sees; \
                           give a window in audited, or label whole lots";
            let place = format!("parts[{number}].inspection");
            return Err(ApiError::new(Code::LabelFromReview, message).at(place));
        }
        let field = format!("parts[{number}].images");
        let mut images = Vec::new();
        let listed = images_of(&field, part.images.unwrap_or_default())?;
        for (i, image) in listed.into_iter().enumerate() {
            let decoded = image.bytes().map(|bytes| Bytes::from(bytes.into_owned()));
            let decoded =
                decoded.map_err(|error| ApiError::from(error).at(format!("{field}[{i}]")))?;
            // The text and what it says are in memory at the same time.
            bytes = bytes.saturating_add(decoded.len().saturating_mul(3));
            form.grows_to(bytes)?;
            images.push(decoded);
        }
        parts.push(LabelledPart {
            lot: part.lot,
            class: class_of(part.class),
            images,
        });
    }
    let audited = asked.audited.map(|window| Audited {
        from: window.from,
        before: window.before,
    });
    Ok((
        asked.declared.unwrap_or_default(),
        parts,
        asked.calibrate,
        audited,
    ))
}

fn from_fields(form: &RequestForm) -> Result<Asked, ApiError> {
    let (mut declared, mut lot, mut class, mut calibrate) = (String::new(), None, None, true);
    let mut images = Vec::new();
    for field in form.fields()? {
        match field {
            Field::Image(bytes) => images.push(bytes),
            Field::Named("declared", value) => value.clone_into(&mut declared),
            Field::Named("lot", value) => lot = Some(value.to_owned()),
            Field::Named("class", value) => class = Some(class_named(value)?),
            Field::Named("calibrate", value) => {
                calibrate = value_of("calibrate", value, "calibrate is true or false")?;
            }
            // Unknown fields are ignored.
            Field::Named(..) => {}
        }
    }
    if images.is_empty() {
        return Ok((declared, Vec::new(), calibrate, None));
    }
    let missing = |field: &str| {
        let message = "a form with images needs the lot and the class of the parts";
        ApiError::new(Code::InvalidRequest, message).at(field)
    };
    let lot = lot.ok_or_else(|| missing("lot"))?;
    let class = class.ok_or_else(|| missing("class"))?;
    let parts = images.into_iter().map(|image| LabelledPart {
        lot: lot.clone(),
        class,
        images: vec![image],
    });
    Ok((declared, parts.collect(), calibrate, None))
}

fn class_of(name: ClassName) -> Class {
    match name {
        ClassName::Ok => Class::Ok,
        ClassName::Ng => Class::Ng,
    }
}

fn class_named(value: &str) -> Result<Class, ApiError> {
    match value {
        "ok" => Ok(Class::Ok),
        "ng" => Ok(Class::Ng),
        _ => Err(ApiError::new(Code::InvalidRequest, "class is ok or ng").at("class")),
    }
}

fn check(part: &LabelledPart) -> Result<(), (&'static str, String)> {
    if part.lot.is_empty() || part.lot.len() > LONGEST_LOT {
        return Err(("lot", format!("1 to {LONGEST_LOT} bytes are allowed")));
    }
    if part.images.is_empty() || part.images.len() > MOST_VIEWS {
        let found = part.images.len();
        return Err((
            "images",
            format!("{found} images; a part has 1 to {MOST_VIEWS}"),
        ));
    }
    Ok(())
}
