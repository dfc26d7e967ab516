//! Named tensors of the Open Inference Protocol, and their content.
//!
//! <https://github.com/kserve/open-inference-protocol>. The inputs and outputs of a model:
//!
//! | tensor | type | shape | |
//! |---|---|---|---|
//! | `image` | BYTES | `[n]` | encoded images |
//! | `pixels` | UINT8 or FP32 | [n, …] | input of the image encoder, instead of `image` |
//! | `text` | BYTES | `[m]` | strings |
//! | `token_ids` | INT64 | [m, length] | input of the text encoder, instead of `text` |
//! | → `image_embedding` | FP32 | [n, width] | |
//! | → `text_embedding` | FP32 | [m, width] | |
//! | → `similarity` | FP32 | [n, m] | cosines |

use bytes::Bytes;
use serde::Serialize;
use utoipa::ToSchema;

use crate::bundle::{Layout, Manifest};

/// Encoded images.
pub const IMAGE: &str = "image";
/// Preprocessed images.
pub const PIXELS: &str = "pixels";
/// Strings.
pub const TEXT: &str = "text";
/// Tokenised texts.
pub const TOKEN_IDS: &str = "token_ids";
/// Embeddings of images.
pub const IMAGE_EMBEDDING: &str = "image_embedding";
/// Embeddings of texts.
pub const TEXT_EMBEDDING: &str = "text_embedding";
/// Cosines.
pub const SIMILARITY: &str = "similarity";

/// Values of a tensor, row by row.
#[derive(Debug, Clone)]
pub enum Values {
    /// BYTES
    Bytes(Vec<Bytes>),
    /// UINT8
    Uint8(Vec<u8>),
    /// INT64
    Int64(Vec<i64>),
    /// FP32
    Fp32(Vec<f32>),
}

impl Values {
    /// The protocol's name of the type.
    pub fn datatype(&self) -> &'static str {
        match self {
            Self::Bytes(_) => "BYTES",
            Self::Uint8(_) => "UINT8",
            Self::Int64(_) => "INT64",
            Self::Fp32(_) => "FP32",
        }
    }

    /// Number of values.
    pub fn count(&self) -> usize {
        match self {
            Self::Bytes(values) => values.len(),
            Self::Uint8(values) => values.len(),
            Self::Int64(values) => values.len(),
            Self::Fp32(values) => values.len(),
        }
    }
}

/// A named tensor.
#[derive(Debug, Clone)]
pub struct Tensor {
    /// Its name.
    pub name: String,
    /// Its shape.
    pub shape: Vec<i64>,
    /// Its values.
    pub values: Values,
}

/// A tensor in a model's interface; −1 means any size.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct TensorMetadata {
    /// Its name.
    pub name: &'static str,
    /// The protocol's name of its type.
    pub datatype: &'static str,
    /// Its shape.
    pub shape: Vec<i64>,
}

/// The inputs and outputs of a model.
#[derive(Debug)]
pub struct ModelMetadata {
    /// All optional; at least one is needed.
    pub inputs: Vec<TensorMetadata>,
    /// Those whose inputs are given.
    pub outputs: Vec<TensorMetadata>,
}

/// The tensors of a model.
pub fn metadata(manifest: &Manifest) -> ModelMetadata {
    let [height, width] = manifest.image.size.map(side);
    let dimensions = side(manifest.embedding_dim);
    let (datatype, pixels) = match manifest.image.input.layout {
        Layout::Nhwc => ("UINT8", vec![-1, height, width, 3]),
        Layout::Nchw => ("FP32", vec![-1, 3, height, width]),
    };
    let tensor = |name, datatype, shape| TensorMetadata {
        name,
        datatype,
        shape,
    };
    ModelMetadata {
        inputs: vec![
            tensor(IMAGE, "BYTES", vec![-1]),
            tensor(TEXT, "BYTES", vec![-1]),
            tensor(PIXELS, datatype, pixels),
            tensor(TOKEN_IDS, "INT64", vec![-1, -1]),
        ],
        outputs: vec![
            tensor(IMAGE_EMBEDDING, "FP32", vec![-1, dimensions]),
            tensor(TEXT_EMBEDDING, "FP32", vec![-1, dimensions]),
            tensor(SIMILARITY, "FP32", vec![-1, -1]),
        ],
    }
}

/// A dimension of a tensor in the protocol's type.
pub fn side(side: usize) -> i64 {
    i64::try_from(side).unwrap_or(i64::MAX)
}
