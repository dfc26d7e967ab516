//! Lists of images and texts in JSON, in the several shapes that clients send.
//!
//! Read by hand-written visitors: `serde`'s untagged enums would first copy the whole body into a tree of values, ten
//! times its size, and could not say which item is wrong.

use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};

/// One entry: a bare string, or an object that says what it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Entry {
    /// `"…"`: what it is depends on the field.
    Plain(String),
    /// `{"text": "…"}`
    Text(String),
    /// `{"image": "…"}`: base64 or a data URI.
    Image(String),
}

/// One entry or a list of entries.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct EntryList(pub Vec<Entry>);

impl<'de> Deserialize<'de> for Entry {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(EntryVisitor)
    }
}

struct EntryVisitor;

impl<'de> Visitor<'de> for EntryVisitor {
    type Value = Entry;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a string, {\"text\": …} or {\"image\": …}")
    }

    fn visit_str<E: Error>(self, value: &str) -> Result<Entry, E> {
        Ok(Entry::Plain(value.to_owned()))
    }

    fn visit_string<E: Error>(self, value: String) -> Result<Entry, E> {
        Ok(Entry::Plain(value))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Entry, A::Error> {
        let mut entry = None;
        while let Some(key) = map.next_key::<String>()? {
            let found = match key.as_str() {
                "text" => Entry::Text(map.next_value()?),
                "image" => Entry::Image(map.next_value()?),
                _ => {
                    map.next_value::<IgnoredAny>()?;
                    return Err(A::Error::unknown_field(&key, &["text", "image"]));
                }
            };
            if entry.replace(found).is_some() {
                return Err(A::Error::custom(
                    "an item is either a text or an image, not both",
                ));
            }
        }
        entry.ok_or_else(|| A::Error::custom("an item needs \"text\" or \"image\""))
    }
}

impl<'de> Deserialize<'de> for EntryList {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ListVisitor)
    }
}

struct ListVisitor;

impl<'de> Visitor<'de> for ListVisitor {
    type Value = EntryList;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a string, {\"text\": …}, {\"image\": …} or a list of these")
    }

    fn visit_str<E: Error>(self, value: &str) -> Result<EntryList, E> {
        EntryVisitor
            .visit_str(value)
            .map(|entry| EntryList(vec![entry]))
    }

    fn visit_string<E: Error>(self, value: String) -> Result<EntryList, E> {
        Ok(EntryList(vec![Entry::Plain(value)]))
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<EntryList, A::Error> {
        EntryVisitor
            .visit_map(map)
            .map(|entry| EntryList(vec![entry]))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<EntryList, A::Error> {
        let mut entries = Vec::new();
        while let Some(entry) = seq.next_element()? {
            entries.push(entry);
        }
        Ok(EntryList(entries))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(json: &str) -> Result<Vec<Entry>, String> {
        serde_json::from_str::<EntryList>(json)
            .map(|list| list.0)
            .map_err(|e| e.to_string())
    }

    #[test]
    fn every_shape_is_read() {
        let plain = || Entry::Plain("a".into());
        assert_eq!(read(r#""a""#), Ok(vec![plain()]));
        assert_eq!(
            read(r#"["a", {"text": "b"}, {"image": "c"}]"#)
                .unwrap()
                .len(),
            3
        );
        assert_eq!(
            read(r#"{"image": "c"}"#),
            Ok(vec![Entry::Image("c".into())])
        );
        assert_eq!(read("[]"), Ok(vec![]));
    }

    #[test]
    fn other_shapes_are_refused() {
        for json in [
            "1",
            "[1]",
            "[[1]]",
            "null",
            "[{}]",
            r#"[{"text": "a", "image": "b"}]"#,
            r#"[{"url": "x"}]"#,
        ] {
            assert!(read(json).is_err(), "{json}");
        }
    }
}
