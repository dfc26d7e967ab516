//! Conversions between protocol buffers and the types of the calls.

use tonic::Status;

use super::proto;
use super::proto::item::Content;
use crate::api::ApiError;
use crate::calls::{
    Classification, Document, ExplainedImage, MapKind, Method, Place, RankedDocument, Warning,
};
use crate::engine::{ImageSource, Item};
use crate::error_code::Code;
use crate::preprocess::{Alpha, ImageOptions, ValueBits};
use crate::tokenize::TokenCount;

/// proto3 strings are always present: an empty name means none.
pub fn name(text: String) -> Option<String> {
    (!text.is_empty()).then_some(text)
}

/// An item of a request; `field` is its name in errors.
///
/// # Errors
/// `INVALID_ARGUMENT` if it is neither a text nor an image.
pub fn document(
    item: Option<proto::Item>,
    field: impl FnOnce() -> String,
) -> Result<Document, Status> {
    match item.and_then(|item| item.content) {
        Some(Content::Text(text)) => Ok(Document::Text(text)),
        Some(Content::Image(bytes)) => Ok(Document::Image(ImageSource::Bytes(bytes))),
        None => {
            let error = ApiError::new(Code::InvalidRequest, "an item is a text or an image");
            Err(error.at(field()).into())
        }
    }
}

/// Like [`document`], for the engine.
///
/// # Errors
/// The errors of [`document`].
pub fn item(item: Option<proto::Item>, field: impl FnOnce() -> String) -> Result<Item, Status> {
    Ok(match document(item, field)? {
        Document::Text(text) => Item::Text(text),
        Document::Image(image) => Item::Image(image),
    })
}

/// Many items of one field.
///
/// # Errors
/// As [`item`].
pub fn items<T>(
    items: Vec<proto::Item>,
    field: &str,
    convert: impl Fn(Option<proto::Item>, &dyn Fn() -> String) -> Result<T, Status>,
) -> Result<Vec<T>, Status> {
    let items = items.into_iter().enumerate();
    items
        .map(|(i, item)| convert(Some(item), &|| format!("{field}[{i}]")))
        .collect()
}

/// Encoded images.
pub fn images(images: Vec<bytes::Bytes>) -> Vec<ImageSource> {
    images.into_iter().map(ImageSource::Bytes).collect()
}

/// The image options.
///
/// # Errors
/// 400 `invalid_request` with the field's name.
pub fn image_options(options: Option<proto::ImageOptions>) -> Result<ImageOptions, ApiError> {
    let options = options.unwrap_or_default();
    let wrong = |message: String, field: &str| {
        let error = ApiError::new(Code::InvalidRequest, message);
        error.at(format!("image_options.{field}"))
    };
    let value_bits = options.value_bits.map(|bits| {
        let message = || format!("value_bits is {bits}; it must be a number from 8 to 16");
        ValueBits::new(bits.into()).ok_or_else(|| wrong(message(), "value_bits"))
    });
    let alpha = match proto::Alpha::try_from(options.alpha) {
        Ok(proto::Alpha::Unspecified) => None,
        Ok(proto::Alpha::Drop) => Some(Alpha::Drop),
        Ok(proto::Alpha::White) => Some(Alpha::White),
        Ok(proto::Alpha::Black) => Some(Alpha::Black),
        Err(_) => {
            let message = format!("{} is not a value of Alpha", options.alpha);
            return Err(wrong(message, "alpha"));
        }
    };
    Ok(ImageOptions {
        value_bits: value_bits.transpose()?,
        exif_orientation: options.exif_orientation,
        alpha,
    })
}

pub fn warnings(warnings: Vec<Warning>) -> Vec<proto::Warning> {
    let warnings = warnings.into_iter().map(|warning| proto::Warning {
        code: warning.code.to_owned(),
        message: warning.message.to_owned(),
        param: warning.param,
    });
    warnings.collect()
}

pub fn usage(tokens: TokenCount) -> Option<proto::Usage> {
    Some(proto::Usage {
        tokens: tokens.read as u64,
        truncated_tokens: tokens.truncated as u64,
    })
}

pub fn matrix(rows: Vec<Vec<f32>>) -> Option<proto::Matrix> {
    Some(proto::Matrix {
        rows: count(rows.len()),
        columns: count(rows.first().map_or(0, Vec::len)),
        values: rows.into_iter().flatten().collect(),
    })
}

pub fn classification(found: Classification) -> proto::Classification {
    let labels = found.labels.into_iter().map(|label| proto::LabelScore {
        label: label.label.to_string(),
        index: count(label.index),
        score: label.score,
        similarity: label.similarity,
    });
    proto::Classification {
        labels: labels.collect(),
        decision: found.decision.map(|decision| proto::Decision {
            label: decision.label.map(|label| label.to_string()),
            score: decision.score,
            margin: decision.margin,
        }),
    }
}

/// The PNG that is asked for.
///
/// # Errors
/// 400 `invalid_request`.
pub fn map_kind(kind: i32) -> Result<Option<MapKind>, ApiError> {
    Ok(match proto::MapKind::try_from(kind) {
        Ok(proto::MapKind::Unspecified) => None,
        Ok(proto::MapKind::Colours) => Some(MapKind::Colours),
        Ok(proto::MapKind::Values) => Some(MapKind::Values),
        Ok(proto::MapKind::Overlay) => Some(MapKind::Overlay),
        Err(_) => {
            let message = format!("{kind} is not a value of MapKind");
            return Err(ApiError::new(Code::InvalidRequest, message).at("map"));
        }
    })
}

/// How maps are made.
///
/// # Errors
/// 400 `invalid_request`.
pub fn method(method: i32) -> Result<Method, ApiError> {
    Ok(match proto::ExplainMethod::try_from(method) {
        Ok(proto::ExplainMethod::Unspecified) => Method::default(),
        Ok(proto::ExplainMethod::Cover) => Method::Cover,
        Ok(proto::ExplainMethod::Patches) => Method::Patches,
        Err(_) => {
            let message = format!("{method} is not a value of ExplainMethod");
            return Err(ApiError::new(Code::InvalidRequest, message).at("method"));
        }
    })
}

pub fn explanations(image: ExplainedImage) -> proto::ImageExplanations {
    let explanations = image.explanations.into_iter();
    proto::ImageExplanations {
        width: count(image.width),
        height: count(image.height),
        explanations: explanations
            .map(|explanation| proto::Explanation {
                score: explanation.score,
                regions: explanation.regions.into_iter().map(region).collect(),
                map: explanation.map.unwrap_or_default().into(),
            })
            .collect(),
    }
}

pub fn region(place: Place) -> proto::Region {
    proto::Region {
        x: count(place.x),
        y: count(place.y),
        width: count(place.width),
        height: count(place.height),
        strength: place.strength,
    }
}

pub fn ranked(found: RankedDocument) -> proto::RankedDocument {
    let content = found.document.map(|document| match document {
        Document::Text(text) => Content::Text(text),
        Document::Image(ImageSource::Bytes(bytes)) => Content::Image(bytes),
        // Images arrive as bytes here.
        Document::Image(ImageSource::Base64(text)) => Content::Text(text),
    });
    proto::RankedDocument {
        index: count(found.index),
        relevance_score: found.cosine,
        document: content.map(|content| proto::Item {
            content: Some(content),
        }),
    }
}

/// The number of items is at most `max_items`, far below 2^32.
pub fn count(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}
