//! The field `map`: whether a map is wanted, and what its PNG shows.

use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};
use utoipa::openapi::RefOr;
use utoipa::openapi::schema::{AnyOfBuilder, ObjectBuilder, Schema, Type};
use utoipa::{PartialSchema, ToSchema};

use crate::api::ApiError;
use crate::calls::MapKind;
use crate::error_code::Code;
use crate::quoted::quoted;

/// The value of the field. A value that no map has is kept: other routes ignore the field.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MapField {
    /// `true`: the usual one.
    Wanted,
    /// `false`: none.
    Unwanted,
    /// A kind by name.
    Kind(MapKind),
    /// Anything else, cut.
    Other(String),
}

impl MapField {
    /// The value in a form or a query.
    pub fn of(value: &str) -> Self {
        match value {
            "true" => Self::Wanted,
            "false" => Self::Unwanted,
            "colours" => Self::Kind(MapKind::Colours),
            "values" => Self::Kind(MapKind::Values),
            "overlay" => Self::Kind(MapKind::Overlay),
            other => Self::Other(quoted(other)),
        }
    }

    /// The kind that is wanted, where `true` is `usual`.
    ///
    /// # Errors
    /// 400 `invalid_request` for any other value.
    pub fn kind(self, usual: MapKind) -> Result<Option<MapKind>, ApiError> {
        match self {
            Self::Wanted => Ok(Some(usual)),
            Self::Unwanted => Ok(None),
            Self::Kind(kind) => Ok(Some(kind)),
            Self::Other(value) => {
                let message =
                    format!("{value} is no map: it is true, false, colours, values or overlay");
                Err(ApiError::new(Code::InvalidRequest, message).at("map"))
            }
        }
    }
}

impl<'de> Deserialize<'de> for MapField {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(MapVisitor)
    }
}

struct MapVisitor;

impl<'de> Visitor<'de> for MapVisitor {
    type Value = MapField;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("true, false, colours, values or overlay")
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<MapField, E> {
        Ok(if value {
            MapField::Wanted
        } else {
            MapField::Unwanted
        })
    }

    fn visit_str<E: Error>(self, value: &str) -> Result<MapField, E> {
        // In JSON true and false are no strings.
        Ok(match MapField::of(value) {
            MapField::Wanted | MapField::Unwanted => MapField::Other(quoted(value)),
            named => named,
        })
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<MapField, E> {
        Ok(MapField::Other(value.to_string()))
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<MapField, E> {
        Ok(MapField::Other(value.to_string()))
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<MapField, E> {
        Ok(MapField::Other(value.to_string()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<MapField, A::Error> {
        while seq.next_element::<IgnoredAny>()?.is_some() {}
        Ok(MapField::Other("a list".to_owned()))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<MapField, A::Error> {
        while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(MapField::Other("an object".to_owned()))
    }
}

/// The names of the kinds in the OpenAPI document.
#[derive(ToSchema)]
#[schema(rename_all = "snake_case")]
#[expect(dead_code, reason = "describes what MapField reads")]
pub enum MapName {
    Colours,
    Values,
    Overlay,
}

impl PartialSchema for MapField {
    fn schema() -> RefOr<Schema> {
        let bool = ObjectBuilder::new().schema_type(Type::Boolean);
        let either = AnyOfBuilder::new()
            .item(bool)
            .item(MapName::schema())
            .description(Some(
                "Whether each explanation has a map, and what its PNG shows: `colours` (as `true`), `values` (16-bit grey, \
                 value times 65535 / 8) or `overlay` (the picture under the colours; one image and one text).",
            ))
            .build();
        Schema::from(either).into()
    }
}

impl ToSchema for MapField {
    fn name() -> std::borrow::Cow<'static, str> {
        "Map".into()
    }
}
