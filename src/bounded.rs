//! JSON lists with a limit on their length while they are read.
//!
//! A body of `"",` makes items that take ten times its size. So the items of a request are counted while they are read, and
//! reading stops before one too many is stored. The limit is a setting, and `serde`'s derived code cannot pass a value to
//! nested types, so the limit is thread-local.

use std::cell::Cell;
use std::fmt;
use std::marker::PhantomData;

use serde::de::value::MapAccessDeserializer;
use serde::de::{
    Deserialize, DeserializeOwned, Deserializer, Error, MapAccess, SeqAccess, Visitor,
};

#[derive(Debug, Clone, Copy)]
struct Bound {
    most: usize,
    left: usize,
    overrun: bool,
}

thread_local! {
    static BOUND: Cell<Option<Bound>> = const { Cell::new(None) };
}

/// Restores the previous limit, even if reading panics.
struct Restore(Option<Bound>);

impl Drop for Restore {
    fn drop(&mut self) {
        BOUND.set(self.0);
    }
}

/// Reads with at most `most` items in all lists together.
pub fn within<T>(most: usize, read: impl FnOnce() -> T) -> T {
    let bound = Bound {
        most,
        left: most,
        overrun: false,
    };
    let _restore = Restore(BOUND.replace(Some(bound)));
    read()
}

/// The limit, if it was reached.
pub fn overrun() -> Option<usize> {
    BOUND
        .get()
        .filter(|bound| bound.overrun)
        .map(|bound| bound.most)
}

/// Counts one item.
///
/// # Errors
/// If it exceeds the limit.
pub fn count<E: Error>() -> Result<(), E> {
    let Some(mut bound) = BOUND.get() else {
        return Ok(());
    };
    match bound.left.checked_sub(1) {
        Some(left) => {
            bound.left = left;
            BOUND.set(Some(bound));
            Ok(())
        }
        None => {
            bound.overrun = true;
            BOUND.set(Some(bound));
            Err(E::custom(format!("more than {} items", bound.most)))
        }
    }
}

/// A list whose items are counted.
///
/// # Errors
/// The deserializer's error, or an error for an item too many.
pub fn list<'de, T: Deserialize<'de>, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Vec<T>, D::Error> {
    deserializer.deserialize_seq(List(PhantomData))
}

/// A list with counted items, or null.
///
/// # Errors
/// As [`list`].
pub fn optional_list<'de, T: Deserialize<'de>, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<Vec<T>>, D::Error> {
    let list: Option<Counted<T>> = Option::deserialize(deserializer)?;
    Ok(list.map(|list| list.0))
}

struct Counted<T>(Vec<T>);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Counted<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        list(deserializer).map(Self)
    }
}

struct List<T>(PhantomData<T>);

impl<'de, T: Deserialize<'de>> Visitor<'de> for List<T> {
    type Value = Vec<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Vec<T>, A::Error> {
        let mut items = Vec::new();
        while let Some(Item(item)) = seq.next_element()? {
            items.push(item);
        }
        Ok(items)
    }
}

/// Counted before it is read.
struct Item<T>(T);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Item<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        count()?;
        T::deserialize(deserializer).map(Self)
    }
}

/// Reads a JSON object. `serde`'s derived code also accepts a list with the fields in order; this does not.
pub struct Object<T>(pub T);

impl<'de, T: DeserializeOwned> Deserialize<'de> for Object<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(ObjectVisitor(PhantomData))
    }
}

struct ObjectVisitor<T>(PhantomData<T>);

impl<'de, T: DeserializeOwned> Visitor<'de> for ObjectVisitor<T> {
    type Value = Object<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Object<T>, A::Error> {
        T::deserialize(MapAccessDeserializer::new(map)).map(Object)
    }
}

/// A list of counted objects; null means an empty list.
///
/// # Errors
/// As [`list`].
pub fn objects<'de, T: DeserializeOwned, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Vec<T>, D::Error> {
    let list: Option<Vec<Object<T>>> = optional_list(deserializer)?;
    let list = list.unwrap_or_default().into_iter();
    Ok(list.map(|object| object.0).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(json: &str) -> Result<usize, String> {
        let list: Result<Counted<String>, _> = serde_json::from_str(json);
        list.map(|list| list.0.len()).map_err(|e| e.to_string())
    }

    #[test]
    fn items_are_counted_only_within_a_limit() {
        assert_eq!(read(r#"["a", "b", "c"]"#), Ok(3));
        within(3, || {
            assert_eq!(read(r#"["a", "b"]"#), Ok(2));
            assert_eq!(overrun(), None);
            assert!(read(r#"["a", "b"]"#).unwrap_err().contains("more than 3"));
            assert_eq!(overrun(), Some(3));
        });
        assert_eq!(overrun(), None);
    }
}
