//! Weights that all sessions of a graph share. Otherwise every session has its own copy, and a second one packed for its
//! matrix kernels.
//!
//! ONNX Runtime shares an initialiser that is passed in from outside, and its packed form if the sessions share a container
//! for that. So this module reads the initialisers from the file (ONNX's `ModelProto`, only the fields below) and passes
//! them to each session.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use ort::session::builder::{PrepackedWeights, SessionBuilder};
use ort::value::{DynValue, PrimitiveTensorElementType, Tensor};
use prost::Message;

/// Smaller ones are not shared; they include shapes and constants, which ONNX Runtime needs for optimisation.
const SMALLEST: usize = 16 << 10;

/// The weights of one graph.
pub struct SharedWeights {
    tensors: Vec<(String, Arc<DynValue>)>,
    packed: PrepackedWeights,
    /// Whether sessions can also share the packed form. ONNX Runtime refuses that for some kernels, such as int8
    /// convolutions, and says so only when a session is created.
    share_packed: AtomicBool,
}

impl SharedWeights {
    /// Reads the weights of a graph file.
    ///
    /// # Errors
    /// A sentence if the file cannot be read or is not an ONNX model.
    pub fn read(path: &Path) -> Result<Self, String> {
        let bytes = std::fs::read(path).map_err(|e| e.to_string())?;
        let model =
            Model::decode(bytes.as_slice()).map_err(|e| format!("not an ONNX model: {e}"))?;
        drop(bytes);
        let mut tensors = Vec::new();
        for weight in model.graph.unwrap_or_default().initializer {
            if weight.raw_data.len() < SMALLEST {
                continue;
            }
            let name = weight.name.clone();
            if let Some(tensor) = weight.tensor().map_err(|e| format!("{name}: {e}"))? {
                tensors.push((name, Arc::new(tensor)));
            }
        }
        Ok(Self {
            tensors,
            packed: PrepackedWeights::new(),
            share_packed: AtomicBool::new(true),
        })
    }

    /// Creates a session with these weights: `create` gets a builder from `builder`, with the weights.
    ///
    /// # Errors
    /// The error of ONNX Runtime.
    pub fn session<S>(
        &self,
        builder: impl Fn() -> ort::Result<SessionBuilder>,
        create: impl Fn(SessionBuilder) -> ort::Result<S>,
    ) -> ort::Result<S> {
        if self.share_packed.load(Ordering::Relaxed) {
            match create(
                self.give(builder()?)?
                    .with_prepacked_weights(&self.packed)?,
            ) {
                Ok(session) => return Ok(session),
                Err(error) => {
                    tracing::debug!(%error, "a graph cannot share packed weights; its sessions pack their own");
                    self.share_packed.store(false, Ordering::Relaxed);
                }
            }
        }
        create(self.give(builder()?)?)
    }

    /// Passes the weights to a session that is being created.
    fn give(&self, mut builder: SessionBuilder) -> ort::Result<SessionBuilder> {
        for (name, tensor) in &self.tensors {
            builder = builder.with_initializer(name, tensor.clone())?;
        }
        Ok(builder)
    }
}

/// `onnx.ModelProto`, reduced to the fields that lead to the weights (field numbers from onnx.proto).
#[derive(Clone, PartialEq, Message)]
struct Model {
    #[prost(message, optional, tag = "7")]
    graph: Option<Graph>,
}

#[derive(Clone, PartialEq, Message)]
struct Graph {
    #[prost(message, repeated, tag = "5")]
    initializer: Vec<Weight>,
}

/// `onnx.TensorProto`
#[derive(Clone, PartialEq, Message)]
struct Weight {
    #[prost(int64, repeated, tag = "1")]
    dims: Vec<i64>,
    #[prost(int32, tag = "2")]
    data_type: i32,
    #[prost(string, tag = "8")]
    name: String,
    #[prost(bytes = "vec", tag = "9")]
    raw_data: Vec<u8>,
}

/// Values of `onnx.TensorProto.DataType`.
const FLOAT: i32 = 1;
const UINT8: i32 = 2;
const INT8: i32 = 3;

impl Weight {
    /// The tensor; `None` for an element type that is left to the session.
    fn tensor(self) -> ort::Result<Option<DynValue>> {
        Ok(Some(match self.data_type {
            FLOAT => {
                let chunks = self.raw_data.chunks_exact(4);
                let values: Vec<f32> = chunks
                    .map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]]))
                    .collect();
                tensor(self.dims, values)?
            }
            UINT8 => tensor(self.dims, self.raw_data)?,
            INT8 => {
                let values: Vec<i8> = self.raw_data.iter().map(|b| b.cast_signed()).collect();
                tensor(self.dims, values)?
            }
            _ => return Ok(None),
        }))
    }
}

fn tensor<T>(dims: Vec<i64>, values: Vec<T>) -> ort::Result<DynValue>
where
    T: PrimitiveTensorElementType + Clone + std::fmt::Debug + 'static,
{
    Ok(Tensor::from_array((dims, values))?.into_dyn())
}
