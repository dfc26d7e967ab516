//! The common parts of REST, gRPC and the Open Inference Protocol: errors, request options, and tensors as bytes.

mod error;
mod error_body;
pub mod inference_protocol;
pub mod request_options;
pub mod tensor_bytes;

pub use self::error::ApiError;
pub use self::error_body::{CohereError, ErrorBody, ErrorObject};
