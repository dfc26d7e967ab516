//! Tensors in JSON.

use std::collections::HashMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use serde_json::value::RawValue;
use utoipa::ToSchema;

use super::json_values;
use super::parameter::{self, Parameter};
use super::shape;
use crate::api::ApiError;
use crate::api::contract::inference_protocol::unknown_datatype;
use crate::bounded;
use crate::calls::tensor::{Tensor, Values};
use crate::error_code::Code;

/// A request's JSON part.
#[derive(Debug, Deserialize, ToSchema)]
pub struct InferRequest {
    /// Returned with the answer.
    #[serde(default)]
    pub id: Option<String>,
    #[serde(default, deserialize_with = "parameter::known")]
    /// `binary_data_output`: all outputs after the JSON. `value_bits`, `exif_orientation` and `alpha`: image options.
    #[schema(value_type = Option<HashMap<String, Value>>)]
    pub parameters: HashMap<String, Parameter>,
    /// Tensors among `image`, `text`, `pixels` and `token_ids`, as in the model's metadata.
    #[serde(deserialize_with = "bounded::objects")]
    #[schema(min_items = 1)]
    pub inputs: Vec<InputTensor>,
    /// The requested outputs; by default all that the inputs allow.
    #[serde(default, deserialize_with = "bounded::objects")]
    #[schema(value_type = Option<Vec<OutputRequest>>)]
    pub outputs: Vec<OutputRequest>,
}

#[derive(Debug, Deserialize, ToSchema)]
pub struct InputTensor {
    pub name: String,
    #[serde(deserialize_with = "shape::read")]
    pub shape: Vec<i64>,
    /// BYTES, UINT8, INT64 or FP32
    pub datatype: String,
    /// `binary_data_size`: the length in bytes of the values after the JSON.
    #[serde(default, deserialize_with = "parameter::known")]
    #[schema(value_type = Option<HashMap<String, Value>>)]
    pub parameters: HashMap<String, Parameter>,
    /// Nested or flat; absent if the values are in the binary part.
    #[serde(default)]
    #[schema(value_type = Option<Vec<Value>>)]
    pub data: Option<Box<RawValue>>,
}

#[derive(Debug, Deserialize, ToSchema)]
pub struct OutputRequest {
    /// `image_embedding`, `text_embedding` or `similarity`
    pub name: String,
    /// `binary_data`: as bytes after the JSON.
    #[serde(default, deserialize_with = "parameter::known")]
    #[schema(value_type = Option<HashMap<String, Value>>)]
    pub parameters: HashMap<String, Parameter>,
}

/// A response's JSON part.
#[derive(Debug, Serialize, ToSchema)]
pub struct InferResponse {
    pub model_name: String,
    pub model_version: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// `warnings`: notes about single images, one sentence per line.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<HashMap<String, Value>>)]
    pub parameters: Option<Value>,
    pub outputs: Vec<OutputTensor>,
}

#[derive(Debug, Serialize, ToSchema)]
pub struct OutputTensor {
    pub name: String,
    pub shape: Vec<i64>,
    pub datatype: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub parameters: Option<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub data: Option<Vec<f32>>,
}

/// A tensor with its values in the JSON. They are parsed directly to their type, at most `count` of them, so that a body
/// never takes a large multiple of its size in memory.
///
/// # Errors
/// 400 with the tensor's name.
pub fn tensor(input: InputTensor, count: usize) -> Result<Tensor, ApiError> {
    let invalid = |message: String| ApiError::new(Code::InvalidRequest, message).at(&input.name);
    let Some(data) = input.data.as_deref() else {
        return Err(invalid(
            "data and binary_data_size are both missing".to_owned(),
        ));
    };
    let values = match input.datatype.as_str() {
        "BYTES" => json_values::read(data, count).map(Values::Bytes),
        "UINT8" => json_values::read(data, count).map(Values::Uint8),
        "INT64" => json_values::read(data, count).map(Values::Int64),
        "FP32" => json_values::read(data, count).map(Values::Fp32),
        other => return Err(unknown_datatype(other).at(input.name)),
    };
    let values = values.map_err(|error| {
        invalid(format!(
            "data of shape {:.100}: {error}",
            format!("{:?}", input.shape)
        ))
    })?;
    Ok(Tensor {
        name: input.name,
        shape: input.shape,
        values,
    })
}
