//! A field that only one of several routes reads: true, false, or a name. The others ignore it, whatever its value is.

use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};

use crate::quoted::quoted;

/// The value of such a field.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Choice {
    /// `true` or `false`.
    Bool(bool),
    /// A string, cut to the length of a message and in quotes.
    Name(String),
    /// Anything else, in words.
    Other(&'static str),
}

impl Choice {
    /// The value in a form or a query.
    pub fn of(value: &str) -> Self {
        match value {
            "true" => Self::Bool(true),
            "false" => Self::Bool(false),
            name => Self::Name(quoted(name)),
        }
    }

    /// Whether it is this name.
    pub fn is(&self, name: &str) -> bool {
        matches!(self, Self::Name(found) if *found == quoted(name))
    }
}

impl fmt::Display for Choice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bool(value) => value.fmt(f),
            Self::Name(name) => f.write_str(name),
            Self::Other(words) => f.write_str(words),
        }
    }
}

impl<'de> Deserialize<'de> for Choice {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ChoiceVisitor)
    }
}

struct ChoiceVisitor;

impl<'de> Visitor<'de> for ChoiceVisitor {
    type Value = Choice;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("true, false or a name")
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<Choice, E> {
        Ok(Choice::Bool(value))
    }

    fn visit_str<E: Error>(self, value: &str) -> Result<Choice, E> {
        Ok(Choice::Name(quoted(value)))
    }

    fn visit_u64<E: Error>(self, _: u64) -> Result<Choice, E> {
        Ok(Choice::Other("a number"))
    }

    fn visit_i64<E: Error>(self, _: i64) -> Result<Choice, E> {
        Ok(Choice::Other("a number"))
    }

    fn visit_f64<E: Error>(self, _: f64) -> Result<Choice, E> {
        Ok(Choice::Other("a number"))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Choice, A::Error> {
        while seq.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Choice::Other("a list"))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Choice, A::Error> {
        while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(Choice::Other("an object"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_json_is_read_and_only_names_are_names() {
        let read = |json: &str| serde_json::from_str::<Choice>(json).unwrap();
        assert_eq!(
            (read("true"), read("false")),
            (Choice::of("true"), Choice::Bool(false))
        );
        assert!(read("\"values\"").is("values") && Choice::of("values").is("values"));
        // A string is no boolean in JSON.
        assert_eq!(read("\"true\""), Choice::Name("\"true\"".to_owned()));
        for json in ["1", "-1", "1.5", "[true, [1]]", "{\"a\": {\"b\": []}}"] {
            assert!(matches!(read(json), Choice::Other(_)), "{json}");
        }
        assert!(
            read(&format!("\"{}\"", "x".repeat(100_000)))
                .to_string()
                .len()
                < 200
        );
    }
}
