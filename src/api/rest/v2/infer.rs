//! `POST /v2/models/{name}/infer`: JSON, or JSON followed by bytes.

use std::collections::HashMap;
use std::sync::Arc;

use axum::extract::{Path, Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, header};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use serde_json::json;

use super::by_version::ModelPath;
use super::infer_error::InferError;
use super::json as tensors;
use super::json::{InferRequest, InferResponse, InputTensor, OutputTensor};
use super::parameter::{self, Parameter};
use crate::api::chunks::Chunks;
use crate::api::contract::inference_protocol::{VERSION, WARNINGS, warnings};
use crate::api::contract::{request_options, tensor_bytes};
use crate::api::held;
use crate::api::json_answer::Json;
use crate::api::rest::error_responses::{LookupErrors, UploadErrors};
use crate::api::rest::json_body;
use crate::api::rest::request_headers::RequestHeaders;
use crate::api::{ApiError, AppState, Caller};
use crate::bounded;
use crate::calls::infer::{InferCall, Inferred, infer};
use crate::calls::tensor::{Tensor, Values};
use crate::calls::tensor_shape::values_of;
use crate::engine::Lane;
use crate::error_code::Code;

/// Maximum number of inputs and outputs: more than any model has.
const MOST_TENSORS: usize = 64;

/// Header with the length of the JSON before the bytes.
const JSON_LENGTH: HeaderName = HeaderName::from_static("inference-header-content-length");

/// Runs a model. Values may follow the JSON as bytes: its length is then in the header `inference-header-content-length`.
#[utoipa::path(
    post,
    path = "/v2/models/{name}/infer",
    operation_id = "v2_infer",
    tag = "open inference protocol",
    params(("name" = String, Path, description = "Name of the model"), RequestHeaders),
    request_body = InferRequest,
    responses(
        (status = 200, description = "The outputs; those requested as binary data follow the JSON as bytes", content(
            (InferResponse = "application/json"),
            (Vec<u8> = "application/octet-stream"),
        )),
        LookupErrors<InferError>,
        UploadErrors<InferError>
    )
)]
pub async fn create(
    State(state): State<Arc<AppState>>,
    Path(path): Path<ModelPath>,
    request: Request,
) -> Result<Response, ApiError> {
    let model = path.name()?;
    let (parts, body) = request.into_parts();
    let mut body = state.admission.read_unpacked(&parts.headers, body).await?;
    let (request, inputs) = read(&parts.headers, &body.bytes, state.max_items)?;
    body.was_parsed();
    let caller = parts.extensions.get::<Caller>();
    let all_binary = flag(&request.parameters, "binary_data_output");
    let as_bytes: HashMap<&str, bool> = request
        .outputs
        .iter()
        .map(|o| {
            (
                o.name.as_str(),
                flag(&o.parameters, "binary_data").unwrap_or(false),
            )
        })
        .collect();
    let mut options = request_options::read(&parts.headers, caller, Lane::default())?;
    options.images = parameter::image_options(&request.parameters)?;
    let call = InferCall {
        model,
        inputs,
        outputs: request.outputs.iter().map(|o| o.name.clone()).collect(),
        options,
    };
    let found = infer(&state, call).await?;
    let is_binary = |name: &str| {
        let named = as_bytes.get(name).copied();
        named.or(all_binary).unwrap_or(false)
    };
    respond(found, request.id, is_binary)
}

/// The JSON, and all inputs with their values; a request may have `most_items` images and texts.
pub(in crate::api::rest) fn read(
    headers: &HeaderMap,
    body: &Bytes,
    most_items: usize,
) -> Result<(InferRequest, Vec<Tensor>), ApiError> {
    let (text, bytes) = split(headers, body)?;
    let mut request: InferRequest = bounded::within(MOST_TENSORS, || json_body::parse(&text))?;
    let inputs = inputs(std::mem::take(&mut request.inputs), bytes, most_items)?;
    Ok((request, inputs))
}

/// The JSON and the bytes after it.
fn split(headers: &HeaderMap, body: &Bytes) -> Result<(Bytes, Bytes), ApiError> {
    let Some(length) = headers.get(&JSON_LENGTH) else {
        return Ok((body.clone(), Bytes::new()));
    };
    let length = length.to_str().ok().and_then(|length| length.parse().ok());
    let length = length.filter(|length: &usize| *length <= body.len());
    let length = length.ok_or_else(|| {
        let message = format!("it must be a number of bytes, at most {}", body.len());
        ApiError::new(Code::InvalidRequest, message).at(JSON_LENGTH.as_str())
    })?;
    Ok((body.slice(..length), body.slice(length..)))
}

/// All inputs, those in the binary part in their order there.
fn inputs(
    inputs: Vec<InputTensor>,
    mut bytes: Bytes,
    most_items: usize,
) -> Result<Vec<Tensor>, ApiError> {
    let mut found = Vec::with_capacity(inputs.len());
    for input in inputs {
        let count = values_of(&input.name, &input.datatype, &input.shape, most_items)?;
        let Some(size) = input.parameters.get("binary_data_size") else {
            found.push(tensors::tensor(input, count)?);
            continue;
        };
        let size = size
            .count()
            .filter(|size| *size <= bytes.len())
            .ok_or_else(|| {
                let message = format!("binary_data_size must be at most {} here", bytes.len());
                ApiError::new(Code::InvalidRequest, message).at(&input.name)
            })?;
        let values = tensor_bytes::read(&input.datatype, bytes.split_to(size), count);
        found.push(Tensor {
            values: values.map_err(|e| e.at(&input.name))?,
            name: input.name,
            shape: input.shape,
        });
    }
    if bytes.is_empty() {
        Ok(found)
    } else {
        let message = format!("{} extra bytes after the inputs", bytes.len());
        Err(ApiError::new(Code::InvalidRequest, message))
    }
}

fn flag(parameters: &HashMap<String, Parameter>, name: &str) -> Option<bool> {
    parameters.get(name).and_then(|parameter| parameter.flag())
}

fn respond(
    found: Inferred,
    id: Option<String>,
    is_binary: impl Fn(&str) -> bool,
) -> Result<Response, ApiError> {
    let mut behind = Vec::new();
    let mut outputs = Vec::new();
    for tensor in found.outputs {
        let datatype = tensor.values.datatype();
        let Values::Fp32(values) = tensor.values else {
            continue; // all outputs are numbers
        };
        let mut output = OutputTensor {
            name: tensor.name,
            shape: tensor.shape,
            datatype,
            parameters: None,
            data: None,
        };
        if is_binary(&output.name) {
            let bytes = Bytes::from(tensor_bytes::write(&values));
            output.parameters = Some(json!({"binary_data_size": bytes.len()}));
            behind.push(bytes);
        } else {
            output.data = Some(values);
        }
        outputs.push(output);
    }
    let response = InferResponse {
        model_name: found.model,
        model_version: VERSION,
        id,
        parameters: warnings(&found.warnings).map(|lines| json!({WARNINGS: lines})),
        outputs,
    };
    if behind.is_empty() {
        return Ok(Json(response).into_response());
    }
    let mut body = Chunks::of_json(&response)?;
    let length = HeaderValue::from(body.bytes());
    for bytes in behind {
        body.push(bytes);
    }
    held::shrink_to(body.bytes());
    let mut response = body.into_body().into_response();
    let headers = response.headers_mut();
    headers.insert(JSON_LENGTH, length);
    let octets = HeaderValue::from_static("application/octet-stream");
    headers.insert(header::CONTENT_TYPE, octets);
    Ok(response)
}
