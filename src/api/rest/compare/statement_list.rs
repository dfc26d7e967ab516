//! Statements in JSON: a text, an object with the text and what is true of the reference, or a list of these.

use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, Error, MapAccess, SeqAccess, Visitor};

use crate::bounded;
use crate::calls::Said;
use crate::quoted::quoted;

/// One statement or several.
#[derive(Debug, Default)]
pub struct StatementList(pub Vec<Said>);

struct Entry(Said);

impl<'de> Deserialize<'de> for Entry {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(EntryVisitor).map(Self)
    }
}

struct EntryVisitor;

impl<'de> Visitor<'de> for EntryVisitor {
    type Value = Said;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a text or {\"text\": …, \"reference_text\": …}")
    }

    fn visit_str<E: Error>(self, value: &str) -> Result<Said, E> {
        self.visit_string(value.to_owned())
    }

    fn visit_string<E: Error>(self, text: String) -> Result<Said, E> {
        bounded::count()?;
        Ok(Said {
            text,
            reference_text: None,
        })
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Said, A::Error> {
        bounded::count()?;
        let (mut text, mut reference_text) = (None, None);
        while let Some(key) = map.next_key::<String>()? {
            match key.as_str() {
                "text" => text = Some(map.next_value()?),
                "reference_text" => {
                    reference_text = map.next_value::<Option<String>>()?;
                    if reference_text.is_some() {
                        bounded::count()?;
                    }
                }
                other => {
                    let other = quoted(other);
                    let message =
                        format!("unknown field {other}, expected `text` or `reference_text`");
                    return Err(A::Error::custom(message));
                }
            }
        }
        let text = text.ok_or_else(|| A::Error::missing_field("text"))?;
        Ok(Said {
            text,
            reference_text,
        })
    }
}

impl<'de> Deserialize<'de> for StatementList {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ListVisitor).map(Self)
    }
}

struct ListVisitor;

impl<'de> Visitor<'de> for ListVisitor {
    type Value = Vec<Said>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a text, {\"text\": …, \"reference_text\": …} or a list of these")
    }

    fn visit_str<E: Error>(self, value: &str) -> Result<Vec<Said>, E> {
        EntryVisitor.visit_str(value).map(|said| vec![said])
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Vec<Said>, A::Error> {
        EntryVisitor.visit_map(map).map(|said| vec![said])
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Vec<Said>, A::Error> {
        let mut all = Vec::new();
        while let Some(Entry(said)) = seq.next_element()? {
            all.push(said);
        }
        Ok(all)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(json: &str) -> Result<Vec<Said>, String> {
        let list: Result<StatementList, _> = serde_json::from_str(json);
        list.map(|list| list.0).map_err(|e| e.to_string())
    }

    #[test]
    fn every_shape_is_read() {
        let plain = Said {
            text: "a".to_owned(),
            reference_text: None,
        };
        let with = Said {
            reference_text: Some("b".to_owned()),
            ..plain.clone()
        };
        assert_eq!(read(r#""a""#), Ok(vec![plain.clone()]));
        let object = r#"{"text": "a", "reference_text": "b"}"#;
        assert_eq!(read(object), Ok(vec![with.clone()]));
        assert_eq!(
            read(&format!(r#"["a", {object}]"#)),
            Ok(vec![plain.clone(), with])
        );
        assert_eq!(
            read(r#"{"text": "a", "reference_text": null}"#),
            Ok(vec![plain])
        );
        assert_eq!(read("[]"), Ok(vec![]));
        for json in [
            "1",
            "[1]",
            "[[]]",
            "{}",
            r#"{"reference_text": "b"}"#,
            r#"{"text": "a", "x": 1}"#,
        ] {
            assert!(read(json).is_err(), "{json}");
        }
    }

    #[test]
    fn statements_are_counted() {
        bounded::within(2, || {
            assert!(read(r#"["a", "b"]"#).is_ok());
            assert!(read(r#"["c"]"#).unwrap_err().contains("more than 2"));
        });
        bounded::within(1, || {
            assert!(read(r#"{"text": "a", "reference_text": "b"}"#).is_err());
        });
    }
}
