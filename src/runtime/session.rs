//! An ONNX Runtime session: its provider, device and settings.

use std::path::Path;

use ort::ep::cuda::ConvAlgorithmSearch;
use ort::ep::{self, ArbitrarilyConfigurableExecutionProvider, ArenaExtendStrategy};
use ort::session::{Session, builder::GraphOptimizationLevel, builder::SessionBuilder};

use super::library::Build;
use super::shared_weights::SharedWeights;
use super::{Device, RuntimeError, environment};

/// The settings of a session.
#[derive(Debug, Clone, Copy)]
pub struct SessionSettings {
    /// Number of threads inside one operator (CPU).
    pub threads: usize,
    /// The device.
    pub device: Device,
    /// Compute in bf16: an fp32 graph with OpenVINO on the CPU.
    pub bf16: bool,
    /// Settings of the CUDA provider; unused elsewhere.
    pub cuda: CudaSettings,
}

impl SessionSettings {
    /// fp32 on the CPU.
    pub fn cpu(threads: usize) -> Self {
        Self {
            threads,
            device: Device::Cpu,
            bf16: false,
            cuda: CudaSettings::default(),
        }
    }

    /// Name of its provider in ONNX Runtime.
    pub fn provider(&self) -> &'static str {
        match (self.device, self.bf16) {
            (Device::Cpu, false) => "CPUExecutionProvider",
            (Device::Cpu, true) => "OpenVINOExecutionProvider",
            (Device::Cuda(_), _) => "CUDAExecutionProvider",
        }
    }

    fn build(&self) -> Build {
        match (self.device, self.bf16) {
            (Device::Cpu, false) => Build::Plain,
            (Device::Cpu, true) => Build::OpenVino,
            (Device::Cuda(_), _) => Build::Cuda,
        }
    }
}

/// Settings of the CUDA provider.
#[derive(Debug, Clone, Copy, Default)]
pub struct CudaSettings {
    /// Maximum GPU memory of a session's arena, in bytes; 0: no limit.
    pub memory_limit: usize,
    /// Multiply fp32 matrices with 10-bit mantissas: faster, but with other results than the CPU.
    pub tf32: bool,
}

/// Loads a graph; with `shared` it uses those weights.
///
/// # Errors
/// [`RuntimeError`] if the library, the provider or the graph is not usable. An unavailable provider is an error and never
/// silently replaced by the CPU.
pub fn load(
    path: &Path,
    settings: &SessionSettings,
    shared: Option<&SharedWeights>,
) -> Result<Session, RuntimeError> {
    let failed = |reason: String| RuntimeError::Session {
        graph: path.display().to_string(),
        reason,
    };
    let environment = environment(settings.build())?;
    let builder = || -> ort::Result<SessionBuilder> {
        let builder = Session::builder(environment)?
            .with_optimization_level(GraphOptimizationLevel::All)?
            .with_intra_threads(settings.threads)?
            .with_inter_threads(1)?
            // A spinning thread uses a core that decoding needs: 174 ms against 103 ms per batch on a busy machine.
            .with_intra_op_spinning(false)?
            // Shapes change from batch to batch; a memory pattern per shape would only grow.
            .with_memory_pattern(false)?;
        with_provider(builder, settings)
    };
    let create = |mut builder: SessionBuilder| builder.commit_from_file(path);
    let session = match shared {
        Some(weights) => weights.session(builder, create),
        None => builder().and_then(create),
    };
    session.map_err(|e| failed(e.to_string()))
}

fn with_provider(
    builder: SessionBuilder,
    settings: &SessionSettings,
) -> ort::Result<SessionBuilder> {
    let provider = match (settings.device, settings.bf16) {
        (Device::Cpu, false) => return Ok(builder),
        (Device::Cpu, true) => ep::OpenVINO::default()
            .with_device_type("CPU")
            .with_arbitrary_config("load_config", openvino_config(settings.threads))
            .build(),
        (Device::Cuda(index), _) => {
            let mut cuda = ep::CUDA::default()
                .with_device_id(index.into())
                .with_tf32(settings.cuda.tf32)
                // Batches have few shapes (buckets), so an exhaustive search would only help convolutions, of which a
                // transformer has one; the heuristic needs no search.
                .with_conv_algorithm_search(ConvAlgorithmSearch::Heuristic)
                // Powers of two would take up to twice the memory of the largest bucket.
                .with_arena_extend_strategy(ArenaExtendStrategy::SameAsRequested);
            if settings.cuda.memory_limit > 0 {
                cuda = cuda.with_memory_limit(settings.cuda.memory_limit);
            }
            cuda.build()
        }
    };
    Ok(builder.with_execution_providers([provider.error_on_failure()])?)
}

/// One stream with as many threads as a CPU session. Without `ENABLE_CPU_PINNING: NO` two sessions share one core.
fn openvino_config(threads: usize) -> String {
    serde_json::json!({"CPU": {
        "INFERENCE_PRECISION_HINT": "bf16",
        "INFERENCE_NUM_THREADS": threads.to_string(),
        "NUM_STREAMS": "1",
        "ENABLE_CPU_PINNING": "NO",
    }})
    .to_string()
}
