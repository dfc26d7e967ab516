//! The field `map`: whether a map is wanted, and what its PNG shows.

use std::borrow::Cow;

use serde::Deserialize;
use utoipa::openapi::RefOr;
use utoipa::openapi::schema::{AnyOfBuilder, ObjectBuilder, Schema, Type};
use utoipa::{PartialSchema, ToSchema};

use super::choice::Choice;
use crate::api::ApiError;
use crate::calls::MapKind;
use crate::error_code::Code;

/// The value of the field. One that no map has is an error only where maps are made.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(transparent)]
pub struct MapField(Choice);

impl MapField {
    /// The value in a form or a query.
    pub fn of(value: &str) -> Self {
        Self(Choice::of(value))
    }

    /// The kind that is wanted, where `true` is `usual`.
    ///
    /// # Errors
    /// 400 `invalid_request` for any other value.
    pub fn kind(self, usual: MapKind) -> Result<Option<MapKind>, ApiError> {
        Ok(match self.0 {
            Choice::Bool(wanted) => wanted.then_some(usual),
            name if name.is("colours") => Some(MapKind::Colours),
            name if name.is("values") => Some(MapKind::Values),
            name if name.is("overlay") => Some(MapKind::Overlay),
            other => {
                let message =
                    format!("map is {other}; it must be true, false, colours, values or overlay");
                return Err(ApiError::new(Code::InvalidRequest, message).at("map"));
            }
        })
    }
}

impl PartialSchema for MapField {
    fn schema() -> RefOr<Schema> {
        let either = AnyOfBuilder::new()
            .item(ObjectBuilder::new().schema_type(Type::Boolean))
            .item(MapKind::schema())
            .description(Some(
                "Whether there is a map, and what its PNG shows: `colours` (as `true`), `values` (16-bit grey, value times \
                 65535 / 8) or `overlay` (the image under the colours; of one image).",
            ))
            .build();
        Schema::from(either).into()
    }
}

impl ToSchema for MapField {
    fn name() -> Cow<'static, str> {
        "Map".into()
    }
}
