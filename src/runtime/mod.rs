//! ONNX Runtime: finding its library, and sessions that compute embeddings and features of batches.

mod assembly;
mod device;
mod encoders;
mod environment;
mod features;
mod library;
mod output;
mod session;
mod shared_weights;
mod signature;

pub use assembly::{fill_images, fill_mask, fill_texts};
pub use device::{Device, cpu_has_bf16};
pub use encoders::{Encoders, VariantWeights};
pub use environment::prepare_environment;
pub use features::{FeatureMap, FeatureSession};
pub use library::{Build, environment, find_library};
pub use output::{Embedding, Encoded};
pub use session::{CudaSettings, SessionSettings};
pub use signature::{Port, Signature, signature};

/// The reason why the runtime failed.
#[derive(Debug, thiserror::Error)]
pub enum RuntimeError {
    /// The shared library was not found or could not be loaded.
    #[error(
        "cannot load ONNX Runtime from {path}: {reason}; run `make onnxruntime`, or set ORT_DYLIB_PATH to libonnxruntime.so"
    )]
    Library {
        /// The path where it was searched.
        path: String,
        /// The loader's message.
        reason: String,
    },
    /// The library lacks a provider.
    #[error("{provider} is not available: {reason}")]
    Build {
        /// The build with the provider.
        provider: &'static str,
        /// What to do.
        reason: String,
    },
    /// A graph could not be loaded.
    #[error("cannot load {graph}: {reason}")]
    Session {
        /// The graph's file.
        graph: String,
        /// ONNX Runtime's message.
        reason: String,
    },
    /// Running a batch failed.
    #[error("inference failed: {0}")]
    Run(String),
    /// The device's memory was too small for a batch.
    #[error("the device has not enough memory for this batch: {0}")]
    OutOfMemory(String),
    /// The graph's output differs from the manifest.
    #[error("the graph's output is {found}, but the manifest says {expected}")]
    Output {
        /// From the manifest.
        expected: String,
        /// From the graph.
        found: String,
    },
}

/// Messages of allocators about missing memory: ONNX Runtime's own, CUDA, cuBLAS and cuDNN, and C++. There is no error code
/// for it.
const OUT_OF_MEMORY: [&str; 5] = [
    "failed to allocate memory",
    "smaller than requested bytes",
    "out of memory",
    "alloc_failed",
    "bad_alloc",
];

impl RuntimeError {
    /// Converts ONNX Runtime's message about a run.
    fn of_run(error: &ort::Error) -> Self {
        Self::of_message(error.to_string())
    }

    fn of_message(message: String) -> Self {
        let lower = message.to_lowercase();
        if OUT_OF_MEMORY.iter().any(|words| lower.contains(words)) {
            Self::OutOfMemory(message)
        } else {
            Self::Run(message)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_of_allocators_are_recognised_as_missing_memory() {
        for message in [
            "Non-zero status code returned while running MatMul node. Status Message: BFCArena::AllocateRawInternal Available memory \
             of 1024 is smaller than requested bytes of 4096",
            "Failed to allocate memory for requested buffer of size 1125899906842624",
            "CUDA failure 2: out of memory ; GPU=0",
            "CUBLAS failure 3: CUBLAS_STATUS_ALLOC_FAILED",
            "std::bad_alloc",
        ] {
            let error = RuntimeError::of_message(message.to_owned());
            assert!(matches!(error, RuntimeError::OutOfMemory(_)), "{message}");
        }
        for message in [
            "indices element out of data bounds, idx=7 must be within the inclusive range [-1,0]",
            "CUDA failure 700: an illegal memory access was encountered",
        ] {
            let error = RuntimeError::of_message(message.to_owned());
            assert!(matches!(error, RuntimeError::Run(_)), "{message}");
        }
    }
}
