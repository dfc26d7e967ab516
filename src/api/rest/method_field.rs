//! The field `method`: how maps are made.

use serde::Deserialize;
use utoipa::ToSchema;

use super::choice::Choice;
use crate::api::ApiError;
use crate::calls::Method;
use crate::error_code::Code;

/// The value of the field. One that no method has is an error only where maps are made.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(transparent)]
pub struct MethodField(Choice);

impl MethodField {
    /// The value in a form or a query.
    pub fn of(value: &str) -> Self {
        Self(Choice::of(value))
    }

    /// The method.
    ///
    /// # Errors
    /// 400 `invalid_request` for any other value.
    pub fn method(self) -> Result<Method, ApiError> {
        Ok(match self.0 {
            name if name.is("cover") => Method::Cover,
            name if name.is("patches") => Method::Patches,
            other => {
                let message = format!("method is {other}; it must be cover or patches");
                return Err(ApiError::new(Code::InvalidRequest, message).at("method"));
            }
        })
    }
}

/// The names of the methods in the OpenAPI document.
#[derive(ToSchema)]
#[schema(rename_all = "snake_case")]
#[expect(dead_code, reason = "describes what MethodField reads")]
pub enum MethodName {
    Cover,
    Patches,
}
