//! What the Open Inference Protocol says about each model, over REST and gRPC.

use crate::error_code::Code;

use super::ApiError;
use crate::quoted::quoted;

/// The only version of a model that there is.
pub const VERSION: &str = "1";
/// What runs models.
pub const PLATFORM: &str = "onnxruntime_onnx";

/// 404 for any version but [`VERSION`].
pub fn check_version(version: &str) -> Result<(), ApiError> {
    if version.is_empty() || version == VERSION {
        return Ok(());
    }
    let message = format!("a model has only the version {VERSION:?}");
    Err(ApiError::new(Code::ModelNotFound, message).at("version"))
}

/// 400 for a type that no tensor here has.
pub fn unknown_datatype(found: &str) -> ApiError {
    let found = quoted(found);
    let message = format!("datatype {found}; inputs here are BYTES, UINT8, INT64 or FP32");
    ApiError::new(Code::InvalidRequest, message)
}
