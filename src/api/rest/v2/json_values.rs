//! Values of a tensor in JSON: nested lists, parsed in order into one vector of their type.

use std::fmt;

use bytes::Bytes;
use serde::de::{DeserializeSeed, Deserializer, Error, SeqAccess, Visitor};
use serde_json::value::RawValue;

/// A type of tensor values. A conversion that is not possible gives `None`.
pub trait Scalar: Sized {
    /// The protocol's name of the type.
    const DATATYPE: &'static str;

    /// From a non-negative integer.
    fn from_unsigned(_: u64) -> Option<Self> {
        None
    }

    /// From a negative integer.
    fn from_signed(_: i64) -> Option<Self> {
        None
    }

    /// From any other number.
    fn from_float(_: f64) -> Option<Self> {
        None
    }

    /// From a string.
    fn from_text(_: &str) -> Option<Self> {
        None
    }
}

impl Scalar for u8 {
    const DATATYPE: &'static str = "UINT8";

    fn from_unsigned(value: u64) -> Option<Self> {
        value.try_into().ok()
    }
}

impl Scalar for i64 {
    const DATATYPE: &'static str = "INT64";

    fn from_unsigned(value: u64) -> Option<Self> {
        value.try_into().ok()
    }

    fn from_signed(value: i64) -> Option<Self> {
        Some(value)
    }
}

impl Scalar for f32 {
    const DATATYPE: &'static str = "FP32";

    fn from_unsigned(value: u64) -> Option<Self> {
        Some(value as Self)
    }

    fn from_signed(value: i64) -> Option<Self> {
        Some(value as Self)
    }

    fn from_float(value: f64) -> Option<Self> {
        Some(value as Self)
    }
}

impl Scalar for Bytes {
    const DATATYPE: &'static str = "BYTES";

    fn from_text(value: &str) -> Option<Self> {
        Some(Self::copy_from_slice(value.as_bytes()))
    }
}

/// Parses at most `most` values.
///
/// # Errors
/// For a value of another type, with its place, or for one value too many.
pub fn read<T: Scalar>(data: &RawValue, most: usize) -> Result<Vec<T>, serde_json::Error> {
    let mut values = Vec::new();
    let into = Into {
        values: &mut values,
        most,
    };
    into.deserialize(&mut serde_json::Deserializer::from_str(data.get()))?;
    Ok(values)
}

/// Collects the values of a list and of nested lists.
struct Into<'a, T> {
    values: &'a mut Vec<T>,
    most: usize,
}

impl<T: Scalar> Into<'_, T> {
    fn push<E: Error>(self, value: Option<T>) -> Result<(), E> {
        let value =
            value.ok_or_else(|| E::custom(format!("this is not a valid {}", T::DATATYPE)))?;
        if self.values.len() == self.most {
            return Err(E::custom(format!("more than {} values", self.most)));
        }
        self.values.push(value);
        Ok(())
    }
}

impl<'de, T: Scalar> DeserializeSeed<'de> for Into<'_, T> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de, T: Scalar> Visitor<'de> for Into<'_, T> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} or a list of them", T::DATATYPE)
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<(), E> {
        self.push(T::from_unsigned(value))
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<(), E> {
        self.push(T::from_signed(value))
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<(), E> {
        self.push(T::from_float(value))
    }

    fn visit_str<E: Error>(self, value: &str) -> Result<(), E> {
        self.push(T::from_text(value))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<(), A::Error> {
        let Self { values, most } = self;
        while let Some(()) = list.next_element_seed(Into {
            values: &mut *values,
            most,
        })? {}
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read_text<T: Scalar>(text: &str, most: usize) -> Result<Vec<T>, String> {
        let data = RawValue::from_string(text.to_owned()).map_err(|error| error.to_string())?;
        read(&data, most).map_err(|error| error.to_string())
    }

    #[test]
    fn values_come_in_order_however_they_are_nested() {
        assert_eq!(
            read_text("[[1, 2], [3, [4]], []]", 4),
            Ok(vec![1_u8, 2, 3, 4])
        );
        assert_eq!(
            read_text("[-1, 9007199254740993]", 2),
            Ok(vec![-1_i64, 9_007_199_254_740_993])
        );
        assert_eq!(read_text("[1, -2, 0.5]", 3), Ok(vec![1.0_f32, -2.0, 0.5]));
        assert_eq!(
            read_text("[\"a\", \"\\u00e4\"]", 2),
            Ok(vec![Bytes::from("a"), Bytes::from("ä")])
        );
        assert_eq!(read_text("7", 1), Ok(vec![7_u8]));
    }

    #[test]
    fn invalid_values_are_named_with_their_place() {
        for text in ["[1, 256]", "[1, -1]", "[1, 1.5]", "[1, \"1\"]"] {
            let error = read_text::<u8>(text, 9).unwrap_err();
            assert!(
                error.contains("this is not a valid UINT8 at line 1 column"),
                "{error}"
            );
        }
        for text in ["[null]", "[true]", "[{}]"] {
            let error = read_text::<f32>(text, 9).unwrap_err();
            assert!(error.contains("expected FP32 or a list of them"), "{error}");
        }
        assert!(
            read_text::<u8>("[1, 2, 3]", 2)
                .unwrap_err()
                .contains("more than 2 values")
        );
        let deep = format!("{}{}", "[".repeat(10_000), "]".repeat(10_000));
        assert!(
            read_text::<u8>(&deep, 9)
                .unwrap_err()
                .contains("recursion limit")
        );
    }
}
