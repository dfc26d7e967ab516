//! Parameters of a request, an input or an output: the ones that are read here.

use std::collections::HashMap;
use std::fmt;

use serde::de::{Deserialize, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};

/// A parameter's value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Parameter {
    /// `binary_data`, `binary_data_output`
    Flag(bool),
    /// `binary_data_size`
    Count(u64),
    /// Anything else: it is read past and not kept.
    Other,
}

impl Parameter {
    /// What it switches.
    pub fn flag(self) -> Option<bool> {
        match self {
            Self::Flag(flag) => Some(flag),
            _ => None,
        }
    }

    /// How many it says.
    pub fn count(self) -> Option<usize> {
        match self {
            Self::Count(count) => usize::try_from(count).ok(),
            _ => None,
        }
    }
}

/// The parameters that are read. Others are not kept, however many there are.
const KNOWN: [&str; 3] = ["binary_data", "binary_data_output", "binary_data_size"];

/// The parameters that are read. Null is none.
///
/// # Errors
/// The deserializer's.
pub fn known<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<HashMap<String, Parameter>, D::Error> {
    deserializer.deserialize_any(KnownOnly)
}

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
            if KNOWN.contains(&name.as_str()) {
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

    fn visit_f64<E: Error>(self, _: f64) -> Result<Parameter, E> {
        Ok(Parameter::Other)
    }

    fn visit_str<E: Error>(self, _: &str) -> Result<Parameter, E> {
        Ok(Parameter::Other)
    }

    fn visit_unit<E: Error>(self) -> Result<Parameter, E> {
        Ok(Parameter::Other)
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
