//! Known parameters of a request, an input or an output.

use std::collections::HashMap;
use std::fmt;

use serde::de::{Deserialize, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};

use crate::api::ApiError;
use crate::api::contract::inference_protocol::image_parameters;
use crate::preprocess::ImageOptions;

/// A parameter's value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Parameter {
    /// `binary_data`, `binary_data_output`, `exif_orientation`
    Flag(bool),
    /// `binary_data_size`, `value_bits`
    Count(u64),
    /// `alpha`
    Text(String),
    /// Null counts as missing.
    Null,
    /// Any other value: it is skipped.
    Other,
}

impl Parameter {
    /// Its value as a switch.
    pub fn flag(&self) -> Option<bool> {
        match self {
            Self::Flag(flag) => Some(*flag),
            _ => None,
        }
    }

    /// Its value as a number.
    pub fn count(&self) -> Option<usize> {
        match self {
            Self::Count(count) => usize::try_from(*count).ok(),
            _ => None,
        }
    }
}

/// The known parameters, besides the image options. Others are skipped, however many there are.
const KNOWN: [&str; 3] = ["binary_data", "binary_data_output", "binary_data_size"];

/// The image options in a request's parameters.
///
/// # Errors
/// 400 `invalid_request` with the parameter's name.
pub fn image_options(parameters: &HashMap<String, Parameter>) -> Result<ImageOptions, ApiError> {
    let named = ImageOptions::NAMES.into_iter().filter_map(|name| {
        let value = match parameters.get(name)? {
            Parameter::Null => return None,
            Parameter::Flag(flag) => flag.to_string(),
            Parameter::Count(count) => count.to_string(),
            Parameter::Text(text) => text.clone(),
            Parameter::Other => "this value".to_owned(),
        };
        Some((name, value))
    });
    image_parameters(named)
}

/// Parses the known parameters. Null means none.
///
/// # Errors
/// The deserializer's.
pub fn known<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<HashMap<String, Parameter>, D::Error> {
    deserializer.deserialize_any(KnownOnly)
}

/// Maximum bytes of a parameter's text that are stored.
const MOST_TEXT: usize = 100;

struct KnownOnly;

impl<'de> Visitor<'de> for KnownOnly {
    type Value = HashMap<String, Parameter>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object of parameters")
    }

    fn visit_unit<E: Error>(self) -> Result<Self::Value, E> {
        Ok(HashMap::new())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut found = HashMap::new();
        while let Some((name, parameter)) = map.next_entry::<String, Parameter>()? {
            if KNOWN.contains(&name.as_str()) || ImageOptions::NAMES.contains(&name.as_str()) {
                found.insert(name, parameter);
            }
        }
        Ok(found)
    }
}

impl<'de> Deserialize<'de> for Parameter {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(AnyValue)
    }
}

struct AnyValue;

impl<'de> Visitor<'de> for AnyValue {
    type Value = Parameter;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<Parameter, E> {
        Ok(Parameter::Flag(value))
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<Parameter, E> {
        Ok(Parameter::Count(value))
    }

    fn visit_i64<E: Error>(self, _: i64) -> Result<Parameter, E> {
        Ok(Parameter::Other)
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<Parameter, E> {
        // 12.0 is the same number in JSON.
        let whole = value.fract() == 0.0 && (0.0..9e15).contains(&value);
        Ok(if whole {
            Parameter::Count(value as u64)
        } else {
            Parameter::Other
        })
    }

    fn visit_str<E: Error>(self, value: &str) -> Result<Parameter, E> {
        // Longer than any known name; many long ones cost nothing.
        Ok(if value.len() <= MOST_TEXT {
            Parameter::Text(value.to_owned())
        } else {
            Parameter::Other
        })
    }

    fn visit_unit<E: Error>(self) -> Result<Parameter, E> {
        Ok(Parameter::Null)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Parameter, A::Error> {
        while list.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Parameter::Other)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Parameter, A::Error> {
        while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(Parameter::Other)
    }
}
