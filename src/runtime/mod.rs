//! ONNX Runtime: finding its library, and sessions that turn a batch into embeddings.

mod encoders;
mod library;

pub use encoders::{Encoders, SessionSettings};
pub use library::{environment, library_path};

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
