//! ONNX Runtime: finding its library, and sessions that turn a batch into embeddings.

mod assembly;
mod device;
mod encoders;
mod library;
mod output;
mod session;
mod shared_weights;
mod signature;

pub use assembly::{fill_images, fill_mask, fill_texts};
pub use device::{Device, cpu_has_bf16};
pub use encoders::{Encoders, VariantWeights};
pub use library::{Build, environment, find_library};
pub use session::{CudaSettings, SessionSettings};
pub use signature::{Port, Signature, signature};

/// Why the runtime could not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum RuntimeError {
    /// The shared library was not found or could not be loaded.
    #[error(
        "cannot load ONNX Runtime from {path}: {reason}; run `make onnxruntime`, or set ORT_DYLIB_PATH to libonnxruntime.so"
    )]
    Library {
        /// Where it was looked for.
        path: String,
        /// What the loader said.
        reason: String,
    },
    /// The library that was found lacks a provider.
    #[error("there is no {provider} here: {reason}")]
    Build {
        /// The build that has it.
        provider: &'static str,
        /// What to do.
        reason: String,
    },
    /// A graph could not be loaded.
    #[error("cannot load {graph}: {reason}")]
    Session {
        /// The graph's file.
        graph: String,
        /// What ONNX Runtime said.
        reason: String,
    },
    /// A batch could not be run.
    #[error("inference failed: {0}")]
    Run(String),
    /// The graph's output is not what the manifest says.
    #[error("the graph's output is {found}, the manifest promises {expected}")]
    Output {
        /// From the manifest.
        expected: String,
        /// From the graph.
        found: String,
    },
}
