//! Requests of Triton's clients besides inference: configuration, statistics, index. The REST counterparts are in
//! `src/api/rest/v2/about.rs`.

use super::inference_proto as oip;
use super::inference_proto::repository_index_response::ModelIndex;
use crate::api::contract::inference_protocol::{BACKEND, PLATFORM, VERSION, state_of};
use crate::calls::tensor::{TensorMetadata, metadata};
use crate::engine::{Model, Timed};

/// A model's configuration.
pub fn config(model: &Model) -> oip::ModelConfig {
    let tensors = metadata(model.manifest());
    let inputs = tensors.inputs.into_iter().map(|tensor| oip::ModelInput {
        data_type: data_type(&tensor).into(),
        name: tensor.name.to_owned(),
        dims: tensor.shape,
        optional: true,
    });
    let outputs = tensors.outputs.into_iter().map(|tensor| oip::ModelOutput {
        data_type: data_type(&tensor).into(),
        name: tensor.name.to_owned(),
        dims: tensor.shape,
    });
    oip::ModelConfig {
        name: model.name().to_owned(),
        platform: PLATFORM.to_owned(),
        backend: BACKEND.to_owned(),
        max_batch_size: 0,
        input: inputs.collect(),
        output: outputs.collect(),
    }
}

fn data_type(tensor: &TensorMetadata) -> oip::DataType {
    match tensor.datatype {
        "BYTES" => oip::DataType::TypeString,
        "UINT8" => oip::DataType::TypeUint8,
        "INT64" => oip::DataType::TypeInt64,
        "FP32" => oip::DataType::TypeFp32,
        _ => oip::DataType::TypeInvalid,
    }
}

/// A model's statistics.
pub fn statistics(model: &Model) -> oip::ModelStatistics {
    let found = model.statistics();
    let cached = oip::StatisticDuration {
        count: found.cached(),
        ns: 0,
    };
    oip::ModelStatistics {
        name: model.name().to_owned(),
        version: VERSION.to_owned(),
        last_inference: found.last_milliseconds(),
        inference_count: found.inference.count(),
        execution_count: found.batches(),
        inference_stats: Some(oip::InferStatistics {
            success: duration(&found.success),
            fail: duration(&found.fail),
            queue: duration(&found.queue),
            compute_input: duration(&found.prepare),
            compute_infer: duration(&found.inference),
            cache_hit: Some(cached),
        }),
    }
}

fn duration(timed: &Timed) -> Option<oip::StatisticDuration> {
    Some(oip::StatisticDuration {
        count: timed.count(),
        ns: timed.nanoseconds(),
    })
}

/// The entry of a model in the index; `None` if only ready models are requested and it is not ready.
pub fn index_entry(model: &Model, only_ready: bool) -> Option<ModelIndex> {
    let reason = model.health().not_ready_reason();
    (reason.is_none() || !only_ready).then(|| ModelIndex {
        name: model.name().to_owned(),
        version: VERSION.to_owned(),
        state: state_of(reason.as_deref()).to_owned(),
        reason: reason.unwrap_or_default(),
    })
}
