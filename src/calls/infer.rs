//! Inference by the Open Inference Protocol: named tensors in, named tensors out.

use super::tensor::{
    IMAGE, IMAGE_EMBEDDING, PIXELS, SIMILARITY, TEXT, TEXT_EMBEDDING, TOKEN_IDS, Tensor, Values,
    side,
};
use super::tensor_shape::{self, product};
use super::{Warning, check_items, tokens_of, warnings};
use crate::api::answer_size::{self, NUMBER};
use crate::api::{ApiError, AppState};
use crate::bundle::TextSide;
use crate::engine::{EmbedOptions, Encoding, ImageSource, Item};
use crate::error_code::Code;
use crate::matching::cosine;
use crate::preprocess::Pixels;
use crate::quoted::quoted;
use crate::tokenize::TokenCount;

/// Tensors for a model.
#[derive(Debug)]
pub struct InferCall {
    /// The model.
    pub model: String,
    /// The input tensors.
    pub inputs: Vec<Tensor>,
    /// The requested outputs; all possible ones if none is named.
    pub outputs: Vec<String>,
    /// Lane and deadline.
    pub options: EmbedOptions,
}

/// The result of an inference.
#[derive(Debug)]
pub struct Inferred {
    /// The model's name.
    pub model: String,
    /// The tensors, in the requested order.
    pub outputs: Vec<Tensor>,
    /// The tokens of the call.
    pub tokens: TokenCount,
    /// Notes about single images.
    pub warnings: Vec<Warning>,
}

/// Runs a model on tensors.
///
/// # Errors
/// [`ApiError`] with the invalid tensor and row.
pub async fn infer(state: &AppState, call: InferCall) -> Result<Inferred, ApiError> {
    let model = state.model(Some(&call.model))?;
    let (mut images, mut texts) = (None, None);
    for tensor in call.inputs {
        let place = match tensor.name.as_str() {
            IMAGE | PIXELS => &mut images,
            TEXT | TOKEN_IDS => &mut texts,
            other => {
                let message = format!(
                    "unknown input {}; GET /v2/models/NAME lists them",
                    quoted(other)
                );
                return Err(invalid(message).at(other));
            }
        };
        if place.is_some() {
            return Err(
                invalid("this input, or another one for the same encoder, is given twice")
                    .at(tensor.name),
            );
        }
        let name = tensor.name.clone();
        *place = Some((name, items(tensor, &model.manifest().text)?));
    }
    let wanted = wanted(call.outputs, images.is_some(), texts.is_some())?;
    let (image_name, mut all) = images.unwrap_or_default();
    let count = all.len();
    let (text_name, texts) = texts.unwrap_or_default();
    all.extend(texts);
    if all.is_empty() {
        return Err(ApiError::new(Code::NoInput, "at least one row is needed").at("inputs"));
    }
    check_items(all.len(), state.max_items).map_err(|e| e.at("inputs"))?;
    let width = model.manifest().embedding_dim;
    let numbers = wanted.iter().map(|name| match *name {
        IMAGE_EMBEDDING => count.saturating_mul(width),
        TEXT_EMBEDDING => (all.len() - count).saturating_mul(width),
        _ => count.saturating_mul(all.len() - count),
    });
    let numbers = numbers.fold(0, usize::saturating_add);
    answer_size::reserve(state, numbers.saturating_mul(NUMBER))?;
    let row = |i: usize| match i.checked_sub(count) {
        None => format!("{image_name}[{i}]"),
        Some(text) => format!("{text_name}[{text}]"),
    };
    let encodings = model.embed(all, call.options).await;
    let encodings = encodings.map_err(|e| ApiError::from_embed(e, row))?;
    let warnings = warnings(state, encodings.iter().enumerate(), row)?;
    let (images, texts) = encodings.split_at(count);
    let outputs = wanted.into_iter().map(|name| {
        let (shape, values) = match name {
            IMAGE_EMBEDDING => ([images.len(), width], rows(images)),
            TEXT_EMBEDDING => ([texts.len(), width], rows(texts)),
            _ => ([images.len(), texts.len()], cosines(images, texts)),
        };
        Tensor {
            name: name.to_owned(),
            shape: shape.map(side).to_vec(),
            values: Values::Fp32(values),
        }
    });
    Ok(Inferred {
        model: model.name().to_owned(),
        outputs: outputs.collect(),
        tokens: tokens_of(&encodings),
        warnings,
    })
}

/// Names of the outputs to return.
fn wanted(named: Vec<String>, images: bool, texts: bool) -> Result<Vec<&'static str>, ApiError> {
    let known = [
        (IMAGE_EMBEDDING, images),
        (TEXT_EMBEDDING, texts),
        (SIMILARITY, images && texts),
    ];
    if named.is_empty() {
        let all = known.into_iter().filter(|(_, there)| *there);
        return Ok(all.map(|(name, _)| name).collect());
    }
    let find = |name: String| match known.into_iter().find(|(known, _)| *known == name) {
        Some((known, true)) => Ok(known),
        Some((known, false)) => Err(invalid("the inputs for this output are missing").at(known)),
        None => {
            let shown = quoted(&name);
            let message = format!("unknown output {shown}; GET /v2/models/NAME lists them");
            Err(invalid(message).at(name))
        }
    };
    named.into_iter().map(find).collect()
}

/// Rows of an input.
///
/// # Errors
/// 400 for an unknown tensor, or one whose shape does not match its values.
pub fn items(tensor: Tensor, text: &TextSide) -> Result<Vec<Item>, ApiError> {
    let Tensor {
        name,
        shape,
        values,
    } = tensor;
    let count = values.count();
    if product(&shape) != Some(count) {
        let shape = format!("{:?}", &shape[..shape.len().min(20)]);
        let message = format!("the shape {shape:.100} does not match {count} values");
        return Err(invalid(message).at(name));
    }
    let row = count / tensor_shape::rows(&shape).max(1);
    let expected = match (name.as_str(), values) {
        (IMAGE, Values::Bytes(images)) => {
            let images = images.into_iter().map(ImageSource::Bytes);
            return Ok(images.map(Item::Image).collect());
        }
        (TEXT, Values::Bytes(texts)) => {
            let texts = texts.into_iter().enumerate().map(|(i, text)| {
                let text = String::from_utf8(text.into()).map_err(|_| {
                    ApiError::new(Code::TextNotUtf8, "the text is not UTF-8")
                        .at(format!("{name}[{i}]"))
                })?;
                Ok(Item::Text(text))
            });
            return texts.collect();
        }
        (PIXELS, Values::Uint8(values)) if row > 0 => {
            let rows = values.chunks_exact(row);
            return Ok(rows
                .map(|row| Item::Pixels(Pixels::U8(row.to_vec())))
                .collect());
        }
        (PIXELS, Values::Fp32(values)) if row > 0 => {
            let rows = values.chunks_exact(row);
            return Ok(rows
                .map(|row| Item::Pixels(Pixels::F32(row.to_vec())))
                .collect());
        }
        (TOKEN_IDS, Values::Int64(ids)) if row > 0 => {
            let rows = ids.chunks_exact(row).enumerate();
            return rows
                .map(|(i, row)| tokens(row, text).map_err(|e| e.at(format!("{name}[{i}]"))))
                .collect();
        }
        (IMAGE | TEXT, _) => "BYTES",
        (TOKEN_IDS, _) => "INT64, at least one per row",
        _ => "UINT8 or FP32, at least one value per row",
    };
    Err(invalid(format!("this input must be {expected}")).at(name))
}

/// A row's ids without the padding at its end: the batch has its own padding.
fn tokens(row: &[i64], text: &TextSide) -> Result<Item, ApiError> {
    let ids = row.iter().map(|id| u32::try_from(*id));
    let mut ids: Vec<u32> = ids
        .collect::<Result<_, _>>()
        .map_err(|_| ApiError::new(Code::InvalidTokenIds, "a token id must be 0 to 2^32 - 1"))?;
    let padding = ids
        .iter()
        .rev()
        .take_while(|id| **id == text.pad_id)
        .count();
    // If padding equals the end token, the first of them is the end token.
    let ends = usize::from(text.pad_id == text.eot_id);
    ids.truncate((ids.len() - padding + ends.min(padding)).max(1));
    Ok(Item::Tokens(ids))
}

fn rows(encodings: &[Encoding]) -> Vec<f32> {
    let rows = encodings.iter().flat_map(|row| row.embedding.iter());
    rows.copied().collect()
}

fn cosines(images: &[Encoding], texts: &[Encoding]) -> Vec<f32> {
    let pairs = images
        .iter()
        .flat_map(|i| texts.iter().map(move |t| (i, t)));
    pairs
        .map(|(image, text)| cosine(&image.embedding, &text.embedding))
        .collect()
}

fn invalid(message: impl Into<String>) -> ApiError {
    ApiError::new(Code::InvalidRequest, message)
}
