//! Common parts of the Open Inference Protocol over REST and gRPC.

use crate::error_code::Code;

use super::{ApiError, request_options};
use crate::calls::Warning;
use crate::preprocess::ImageOptions;
use crate::quoted::quoted;

/// The only version of a model.
pub const VERSION: &str = "1";
/// The name of the runtime.
pub const PLATFORM: &str = "onnxruntime_onnx";
/// What Triton calls the program that runs models of [`PLATFORM`].
pub const BACKEND: &str = "onnxruntime";

/// Triton's word for a model that has this trouble, or none.
pub fn state_of(trouble: Option<&str>) -> &'static str {
    match trouble {
        None => "READY",
        Some(_) => "UNAVAILABLE",
    }
}

/// 404 for any version but [`VERSION`].
pub fn check_version(version: &str) -> Result<(), ApiError> {
    if version.is_empty() || version == VERSION {
        return Ok(());
    }
    let message = format!("a model has only the version {VERSION:?}");
    Err(ApiError::new(Code::ModelNotFound, message).at("version"))
}

/// Image options in a request's parameters: pairs of a name and a value.
///
/// # Errors
/// 400 `invalid_request` with the parameter's name.
pub fn image_parameters(
    named: impl Iterator<Item = (&'static str, String)>,
) -> Result<ImageOptions, ApiError> {
    let mut options = ImageOptions::default();
    for (name, value) in named {
        request_options::image_option(&mut options, name, &value)
            .map_err(|error| error.at(format!("parameters.{name}")))?;
    }
    Ok(options)
}

/// The name of an answer's parameter with notes about single images, one sentence per line.
pub const WARNINGS: &str = "warnings";

/// The value of [`WARNINGS`], if there are any.
pub fn warnings(found: &[Warning]) -> Option<String> {
    let lines = found.iter();
    let lines = lines.map(|warning| format!("{}: {}", warning.param, warning.message));
    (!found.is_empty()).then(|| lines.collect::<Vec<_>>().join("\n"))
}

/// 400 for an unsupported datatype.
pub fn unknown_datatype(found: &str) -> ApiError {
    let found = quoted(found);
    let message = format!("datatype {found}; inputs here are BYTES, UINT8, INT64 or FP32");
    ApiError::new(Code::InvalidRequest, message)
}
