//! Lists of images and texts in JSON, in the formats that clients send.
//!
//! Parsed by hand-written visitors: `serde`'s untagged enums would first copy the whole body into a tree of values, ten
//! times its size, and could not name the invalid item.

use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};

use crate::bounded;
use crate::quoted::quoted;

/// One entry: a bare string, or an object that names its type.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Entry {
    /// `"…"`: its type depends on the field.
    Plain(String),
    /// `{"text": "…"}`, `{"type": "text", "text": "…"}`
    Text(String),
    /// `{"image": "…"}`, `{"type": "image_url", "image_url": {"url": "…"}}`: base64, a data URI or a URL.
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

/// For clients that tokenise texts themselves, such as LangChain by default: their tokens belong to another model.
const TOKENS: &str = "an item is a text or an image, not a token or a list of tokens; send the text itself \
                      (LangChain's OpenAIEmbeddings: check_embedding_ctx_length=False)";

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

    fn visit_u64<E: Error>(self, _: u64) -> Result<Entry, E> {
        Err(E::custom(TOKENS))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, _: A) -> Result<Entry, A::Error> {
        Err(A::Error::custom(TOKENS))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Entry, A::Error> {
        let mut entry = None;
        while let Some(key) = map.next_key::<String>()? {
            let found = match key.as_str() {
                "text" => map.next_value::<Option<String>>()?.map(Entry::Text),
                "image" => map.next_value::<Option<String>>()?.map(Entry::Image),
                "image_url" => map
                    .next_value::<Option<ImageUrl>>()?
                    .map(|image| Entry::Image(image.0)),
                "content" => map.next_value::<Option<OnePart>>()?.map(|part| part.0),
                // The field with the content determines the type.
                "type" => {
                    map.next_value::<IgnoredAny>()?;
                    None
                }
                other => {
                    let other = quoted(other);
                    let message = format!("unknown field {other}, expected `text` or `image`");
                    return Err(A::Error::custom(message));
                }
            };
            let Some(found) = found else {
                continue;
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

/// Counted before it is read.
struct CountedEntry(Entry);

impl<'de> Deserialize<'de> for CountedEntry {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        bounded::count()?;
        Entry::deserialize(deserializer).map(Self)
    }
}

/// `"…"` or `{"url": "…"}`; its other fields are ignored.
struct ImageUrl(String);

impl<'de> Deserialize<'de> for ImageUrl {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ImageUrlVisitor)
    }
}

struct ImageUrlVisitor;

impl<'de> Visitor<'de> for ImageUrlVisitor {
    type Value = ImageUrl;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a string or {\"url\": …}")
    }

    fn visit_str<E: Error>(self, value: &str) -> Result<ImageUrl, E> {
        Ok(ImageUrl(value.to_owned()))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<ImageUrl, A::Error> {
        let mut url = None;
        while let Some(key) = map.next_key::<String>()? {
            if key == "url" {
                url = Some(map.next_value()?);
            } else {
                map.next_value::<IgnoredAny>()?;
            }
        }
        url.map(ImageUrl)
            .ok_or_else(|| A::Error::custom("an image_url needs \"url\""))
    }
}

/// A list of one part: several parts would mean one common embedding, which the model does not support.
struct OnePart(Entry);

impl<'de> Deserialize<'de> for OnePart {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_seq(OnePartVisitor)
    }
}

struct OnePartVisitor;

impl<'de> Visitor<'de> for OnePartVisitor {
    type Value = OnePart;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of one part, a text or an image")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<OnePart, A::Error> {
        let part = seq.next_element()?;
        let part = part.ok_or_else(|| A::Error::invalid_length(0, &self))?;
        match seq.next_element::<IgnoredAny>()? {
            None => Ok(OnePart(part)),
            Some(_) => Err(A::Error::custom(
                "an embedding can be made from one part only",
            )),
        }
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

    fn visit_u64<E: Error>(self, value: u64) -> Result<EntryList, E> {
        EntryVisitor
            .visit_u64(value)
            .map(|entry| EntryList(vec![entry]))
    }

    fn visit_str<E: Error>(self, value: &str) -> Result<EntryList, E> {
        bounded::count()?;
        EntryVisitor
            .visit_str(value)
            .map(|entry| EntryList(vec![entry]))
    }

    fn visit_string<E: Error>(self, value: String) -> Result<EntryList, E> {
        bounded::count()?;
        Ok(EntryList(vec![Entry::Plain(value)]))
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<EntryList, A::Error> {
        bounded::count()?;
        EntryVisitor
            .visit_map(map)
            .map(|entry| EntryList(vec![entry]))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<EntryList, A::Error> {
        let mut entries = Vec::new();
        while let Some(CountedEntry(entry)) = seq.next_element()? {
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
        for image in [
            r#"{"type": "image_url", "image_url": {"url": "c", "detail": "low"}}"#,
            r#"{"image_url": "c", "text": null}"#,
            r#"{"content": [{"type": "image_url", "image_url": {"url": "c"}}]}"#,
        ] {
            assert_eq!(read(image), Ok(vec![Entry::Image("c".into())]), "{image}");
        }
        assert_eq!(
            read(r#"[{"type": "text", "text": "b"}]"#),
            Ok(vec![Entry::Text("b".into())])
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
            r#"{"content": ["a", "b"]}"#,
            r#"{"content": []}"#,
        ] {
            assert!(read(json).is_err(), "{json}");
        }
    }
}
