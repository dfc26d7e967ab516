//! Tensors in JSON.

use std::collections::HashMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

use crate::api::ApiError;
use crate::api::calls::infer::{Tensor, Values};

/// A request's JSON part.
#[derive(Debug, Deserialize, ToSchema)]
pub struct InferRequest {
    /// Comes back with the answer.
    #[serde(default)]
    pub id: Option<String>,
    #[serde(default)]
    /// `binary_data_output`: all outputs behind the JSON.
    pub parameters: HashMap<String, Value>,
    /// Of `image`, `text`, `pixels` and `token_ids`, as the model's metadata describes them.
    #[schema(min_items = 1)]
    pub inputs: Vec<InputTensor>,
    /// Those that are wanted; all that the inputs allow by default.
    #[serde(default)]
    pub outputs: Vec<OutputRequest>,
}

#[derive(Debug, Deserialize, ToSchema)]
pub struct InputTensor {
    pub name: String,
    pub shape: Vec<i64>,
    /// BYTES, UINT8, INT64 or FP32
    pub datatype: String,
    /// `binary_data_size`: the values are so many bytes behind the JSON.
    #[serde(default)]
    pub parameters: HashMap<String, Value>,
    /// Nested or flat; absent if the values are in the binary part.
    #[serde(default)]
    #[schema(value_type = Option<Vec<Value>>)]
    pub data: Option<Value>,
}

#[derive(Debug, Deserialize, ToSchema)]
pub struct OutputRequest {
    /// `image_embedding`, `text_embedding` or `similarity`
    pub name: String,
    /// `binary_data`: as bytes behind the JSON.
    #[serde(default)]
    pub parameters: HashMap<String, Value>,
}

/// A response's JSON part.
#[derive(Debug, Serialize, ToSchema)]
pub struct InferResponse {
    pub model_name: String,
    pub model_version: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
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

/// A tensor whose values are in the JSON.
///
/// # Errors
/// 400 with the tensor's name.
pub fn tensor(input: InputTensor) -> Result<Tensor, ApiError> {
    let data = input.data.unwrap_or(Value::Null);
    let values = match input.datatype.as_str() {
        "BYTES" => flat(&data, |v| Some(v.as_str()?.to_owned().into())).map(Values::Bytes),
        "UINT8" => flat(&data, |v| u8::try_from(v.as_u64()?).ok()).map(Values::Uint8),
        "INT64" => flat(&data, Value::as_i64).map(Values::Int64),
        "FP32" => flat(&data, |v| Some(v.as_f64()? as f32)).map(Values::Fp32),
        other => return Err(unknown_datatype(other).at(input.name)),
    };
    let values = values.ok_or_else(|| {
        let message = format!("data holds something that is no {}", input.datatype);
        ApiError::bad_request("invalid_request", message).at(&input.name)
    })?;
    Ok(Tensor {
        name: input.name,
        shape: input.shape,
        values,
    })
}

/// 400 for a type that no tensor here has.
pub fn unknown_datatype(found: &str) -> ApiError {
    let message = format!("datatype {found:?}; inputs here are BYTES, UINT8, INT64 or FP32");
    ApiError::bad_request("invalid_request", message)
}

/// The values of nested lists in order; `None` if one of them cannot be read.
fn flat<T>(data: &Value, read: impl Fn(&Value) -> Option<T>) -> Option<Vec<T>> {
    let mut values = Vec::new();
    let mut open = vec![data];
    while let Some(value) = open.pop() {
        match value {
            Value::Array(inner) => open.extend(inner.iter().rev()),
            value => values.push(read(value)?),
        }
    }
    Some(values)
}
