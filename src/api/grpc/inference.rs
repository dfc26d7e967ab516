//! `inference.GRPCInferenceService`: the Open Inference Protocol.

use std::collections::HashMap;
use std::sync::Arc;

use tonic::{Request, Response, Status};

use super::inference_proto as oip;
use super::inference_proto::InferParameter;
use super::inference_proto::grpc_inference_service_server::GrpcInferenceService;
use super::inference_proto::infer_parameter::ParameterChoice;
use super::inference_proto::model_infer_request::InferInputTensor;
use super::inference_proto::model_infer_response::InferOutputTensor;
use super::inference_proto::model_metadata_response::TensorMetadata;
use super::{inference_about, options};
use crate::api::contract::inference_protocol::{
    PLATFORM, VERSION, WARNINGS, check_version, image_parameters, warnings,
};
use crate::api::contract::tensor_bytes;
use crate::api::{ApiError, AppState};
use crate::calls::infer::{self, InferCall, Inferred};
use crate::calls::tensor::{self, Tensor, Values, metadata};
use crate::calls::tensor_shape::values_of;
use crate::engine::Lane;
use crate::error_code::Code;
use crate::preprocess::ImageOptions;

/// The service of a server.
pub struct Service {
    state: Arc<AppState>,
}

impl Service {
    /// The state of this server.
    pub fn new(state: Arc<AppState>) -> Self {
        Self { state }
    }
}

#[tonic::async_trait]
impl GrpcInferenceService for Service {
    async fn server_live(
        &self,
        _: Request<oip::ServerLiveRequest>,
    ) -> Result<Response<oip::ServerLiveResponse>, Status> {
        Ok(Response::new(oip::ServerLiveResponse { live: true }))
    }

    async fn server_ready(
        &self,
        _: Request<oip::ServerReadyRequest>,
    ) -> Result<Response<oip::ServerReadyResponse>, Status> {
        let ready = self.state.not_ready_reason().is_none();
        Ok(Response::new(oip::ServerReadyResponse { ready }))
    }

    async fn model_ready(
        &self,
        request: Request<oip::ModelReadyRequest>,
    ) -> Result<Response<oip::ModelReadyResponse>, Status> {
        let request = request.into_inner();
        check_version(&request.version)?;
        let known = self.state.model(Some(&request.name)).is_ok();
        let ready = known && self.state.not_ready_reason().is_none();
        Ok(Response::new(oip::ModelReadyResponse { ready }))
    }

    async fn server_metadata(
        &self,
        _: Request<oip::ServerMetadataRequest>,
    ) -> Result<Response<oip::ServerMetadataResponse>, Status> {
        Ok(Response::new(oip::ServerMetadataResponse {
            name: "clip-in".to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            extensions: vec![],
        }))
    }

    async fn model_metadata(
        &self,
        request: Request<oip::ModelMetadataRequest>,
    ) -> Result<Response<oip::ModelMetadataResponse>, Status> {
        let request = request.into_inner();
        check_version(&request.version)?;
        let model = self.state.model(Some(&request.name))?;
        let tensors = metadata(model.manifest());
        let convert = |tensors: Vec<tensor::TensorMetadata>| {
            let tensors = tensors.into_iter().map(|tensor| TensorMetadata {
                name: tensor.name.to_owned(),
                datatype: tensor.datatype.to_owned(),
                shape: tensor.shape,
            });
            tensors.collect()
        };
        Ok(Response::new(oip::ModelMetadataResponse {
            name: model.name().to_owned(),
            versions: vec![VERSION.to_owned()],
            platform: PLATFORM.to_owned(),
            inputs: convert(tensors.inputs),
            outputs: convert(tensors.outputs),
        }))
    }

    async fn model_config(
        &self,
        request: Request<oip::ModelConfigRequest>,
    ) -> Result<Response<oip::ModelConfigResponse>, Status> {
        let request = request.into_inner();
        check_version(&request.version)?;
        let model = self.state.model(Some(&request.name))?;
        let config = Some(inference_about::config(&model));
        Ok(Response::new(oip::ModelConfigResponse { config }))
    }

    async fn model_statistics(
        &self,
        request: Request<oip::ModelStatisticsRequest>,
    ) -> Result<Response<oip::ModelStatisticsResponse>, Status> {
        let request = request.into_inner();
        check_version(&request.version)?;
        let models = match request.name.as_str() {
            "" => self.state.models.all(),
            name => vec![self.state.model(Some(name))?],
        };
        let model_stats = models.iter().map(|m| inference_about::statistics(m));
        Ok(Response::new(oip::ModelStatisticsResponse {
            model_stats: model_stats.collect(),
        }))
    }

    async fn repository_index(
        &self,
        request: Request<oip::RepositoryIndexRequest>,
    ) -> Result<Response<oip::RepositoryIndexResponse>, Status> {
        let only_ready = request.into_inner().ready;
        let models = self.state.models.all();
        let models = models.iter();
        let models = models.filter_map(|m| inference_about::index_entry(m, only_ready));
        Ok(Response::new(oip::RepositoryIndexResponse {
            models: models.collect(),
        }))
    }

    async fn model_infer(
        &self,
        request: Request<oip::ModelInferRequest>,
    ) -> Result<Response<oip::ModelInferResponse>, Status> {
        let (metadata, extensions, request) = request.into_parts();
        check_version(&request.model_version)?;
        let mut options = options::read(&metadata, &extensions, Lane::Interactive, false, None)?;
        options.images = image_options(&request.parameters)?;
        let call = InferCall {
            model: request.model_name,
            inputs: inputs(
                request.inputs,
                request.raw_input_contents,
                self.state.max_items,
            )?,
            outputs: request.outputs.into_iter().map(|o| o.name).collect(),
            options,
        };
        let found = infer::infer(&self.state, call).await?;
        Ok(Response::new(respond(found, request.id)))
    }
}

fn inputs(
    inputs: Vec<InferInputTensor>,
    raw: Vec<bytes::Bytes>,
    most_items: usize,
) -> Result<Vec<Tensor>, ApiError> {
    if !raw.is_empty() && raw.len() != inputs.len() {
        let message = format!(
            "{} raw contents for {} inputs: either all inputs use raw contents or none",
            raw.len(),
            inputs.len()
        );
        return Err(ApiError::new(Code::InvalidRequest, message).at("raw_input_contents"));
    }
    let mut raw = raw.into_iter();
    let tensor = |input: InferInputTensor| {
        let count = values_of(&input.name, &input.datatype, &input.shape, most_items)?;
        let values = match raw.next() {
            Some(bytes) => tensor_bytes::read(&input.datatype, bytes, count),
            None => typed(&input.datatype, input.contents.unwrap_or_default()),
        };
        Ok(Tensor {
            values: values.map_err(|e| e.at(&input.name))?,
            name: input.name,
            shape: input.shape,
        })
    };
    inputs.into_iter().map(tensor).collect()
}

fn typed(datatype: &str, contents: oip::InferTensorContents) -> Result<Values, ApiError> {
    match datatype {
        "BYTES" => Ok(Values::Bytes(contents.bytes_contents)),
        "INT64" => Ok(Values::Int64(contents.int64_contents)),
        "FP32" => Ok(Values::Fp32(contents.fp32_contents)),
        "UINT8" => {
            let bytes = contents.uint_contents.into_iter().map(u8::try_from);
            let bytes = bytes
                .collect::<Result<_, _>>()
                .map_err(|_| ApiError::new(Code::InvalidRequest, "a UINT8 is 0 to 255"));
            bytes.map(Values::Uint8)
        }
        other => tensor_bytes::read(other, bytes::Bytes::new(), 0),
    }
}

fn image_options(parameters: &HashMap<String, InferParameter>) -> Result<ImageOptions, ApiError> {
    let named = ImageOptions::NAMES.into_iter().filter_map(|name| {
        let value = match parameters.get(name)?.parameter_choice.as_ref()? {
            ParameterChoice::BoolParam(flag) => flag.to_string(),
            ParameterChoice::Int64Param(number) => number.to_string(),
            ParameterChoice::Uint64Param(number) => number.to_string(),
            ParameterChoice::DoubleParam(number) => number.to_string(),
            ParameterChoice::StringParam(text) => text.clone(),
        };
        Some((name, value))
    });
    image_parameters(named)
}

fn respond(found: Inferred, id: String) -> oip::ModelInferResponse {
    let warnings = warnings(&found.warnings).map(|lines| {
        let parameter_choice = Some(ParameterChoice::StringParam(lines));
        (WARNINGS.to_owned(), InferParameter { parameter_choice })
    });
    let mut response = oip::ModelInferResponse {
        model_name: found.model,
        model_version: VERSION.to_owned(),
        id,
        parameters: warnings.into_iter().collect(),
        outputs: vec![],
        raw_output_contents: vec![],
    };
    for tensor in found.outputs {
        let datatype = tensor.values.datatype().to_owned();
        let Values::Fp32(values) = tensor.values else {
            continue; // all outputs are numbers
        };
        response.outputs.push(InferOutputTensor {
            name: tensor.name,
            datatype,
            shape: tensor.shape,
            parameters: HashMap::new(),
            contents: None,
        });
        response
            .raw_output_contents
            .push(tensor_bytes::write(&values).into());
    }
    response
}
