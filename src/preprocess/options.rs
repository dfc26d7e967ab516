//! Options for reading images, which a request, a label set or the server's settings may set.

use std::borrow::Cow;
use std::fmt;

use serde::de::{Deserializer, Error, Unexpected, Visitor};
use serde::{Deserialize, Serialize};
use utoipa::openapi::RefOr;
use utoipa::openapi::schema::{ObjectBuilder, Schema, Type};
use utoipa::{PartialSchema, ToSchema};

/// How to interpret images where the file is ambiguous. A field that is `None` is taken from the next source: the request,
/// then its label set, then the server's settings, then the model's manifest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
pub struct ImageOptions {
    /// Number of low bits of a 16-bit sample that hold its value. Without it the high bits do, as the formats define.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value_bits: Option<ValueBits>,
    /// Whether an image is turned according to its EXIF data.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exif_orientation: Option<bool>,
    /// How transparency is treated; by default it is dropped.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub alpha: Option<Alpha>,
}

impl ImageOptions {
    /// The names of the options in JSON, in forms and in queries.
    pub const NAMES: [&'static str; 3] = ["value_bits", "exif_orientation", "alpha"];

    /// These options, with missing ones from `others`.
    #[must_use]
    pub fn or(self, others: Self) -> Self {
        Self {
            value_bits: self.value_bits.or(others.value_bits),
            exif_orientation: self.exif_orientation.or(others.exif_orientation),
            alpha: self.alpha.or(others.alpha),
        }
    }

    /// Sets an option from a form or a query; false if `name` is not one of [`Self::NAMES`].
    ///
    /// # Errors
    /// The permitted values.
    pub fn set(&mut self, name: &str, value: &str) -> Result<bool, &'static str> {
        match name {
            "value_bits" => {
                let bits = value.parse().ok().and_then(ValueBits::new);
                self.value_bits = Some(bits.ok_or(ValueBits::EXPECTED)?);
            }
            "exif_orientation" => {
                self.exif_orientation =
                    Some(value.parse().map_err(|_| "it must be true or false")?);
            }
            "alpha" => self.alpha = Some(value.parse()?),
            _ => return Ok(false),
        }
        Ok(true)
    }
}

/// Number of bits of a 16-bit sample that hold its value: 8 to 16.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(transparent)]
pub struct ValueBits(u8);

impl ValueBits {
    const LEAST: u8 = 8;
    const MOST: u8 = 16;
    const EXPECTED: &'static str = "it must be a whole number from 8 to 16";

    /// `None` below 8 and above 16.
    #[must_use]
    pub fn new(bits: u64) -> Option<Self> {
        let bits = u8::try_from(bits).ok()?;
        (Self::LEAST..=Self::MOST)
            .contains(&bits)
            .then_some(Self(bits))
    }

    /// The number.
    #[must_use]
    pub fn get(self) -> u8 {
        self.0
    }
}

impl std::str::FromStr for ValueBits {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        text.parse().ok().and_then(Self::new).ok_or(Self::EXPECTED)
    }
}

impl<'de> Deserialize<'de> for ValueBits {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Bits)
    }
}

struct Bits;

impl Visitor<'_> for Bits {
    type Value = ValueBits;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a whole number from 8 to 16")
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<ValueBits, E> {
        ValueBits::new(value).ok_or_else(|| E::invalid_value(Unexpected::Unsigned(value), &self))
    }

    // In JSON, 12.0 is the same number.
    fn visit_f64<E: Error>(self, value: f64) -> Result<ValueBits, E> {
        let whole = (value.fract() == 0.0 && value > 0.0).then_some(value as u64);
        let bits = whole.and_then(ValueBits::new);
        bits.ok_or_else(|| E::invalid_value(Unexpected::Float(value), &self))
    }
}

impl PartialSchema for ValueBits {
    fn schema() -> RefOr<Schema> {
        ObjectBuilder::new()
            .schema_type(Type::Integer)
            .minimum(Some(Self::LEAST))
            .maximum(Some(Self::MOST))
            .into()
    }
}

impl ToSchema for ValueBits {
    fn name() -> Cow<'static, str> {
        "ValueBits".into()
    }
}

/// How an image's transparency is treated.
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    Hash,
    Default,
    Serialize,
    Deserialize,
    ToSchema,
    clap::ValueEnum,
)]
#[serde(rename_all = "snake_case", expecting = "drop, white or black")]
pub enum Alpha {
    /// Ignored: each pixel has its own colour, as with Pillow's `convert("RGB")`.
    #[default]
    Drop,
    /// The image is placed on white.
    White,
    /// The image is placed on black.
    Black,
}

impl std::str::FromStr for Alpha {
    type Err = &'static str;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        match name {
            "drop" => Ok(Self::Drop),
            "white" => Ok(Self::White),
            "black" => Ok(Self::Black),
            _ => Err("it must be drop, white or black"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn value_bits_in_every_form() {
        let read =
            |json: &str| serde_json::from_str::<ImageOptions>(json).map(|read| read.value_bits);
        for twelve in ["12", "12.0", "1.2e1"] {
            let json = format!(r#"{{"value_bits": {twelve}}}"#);
            assert_eq!(read(&json).unwrap(), ValueBits::new(12), "{twelve}");
        }
        for wrong in ["7", "17", "-12", "12.5", "\"12\"", "1e300", "true"] {
            let error = read(&format!(r#"{{"value_bits": {wrong}}}"#)).unwrap_err();
            let error = error.to_string();
            assert!(error.contains("a whole number from 8 to 16"), "{error}");
        }
    }

    #[test]
    fn the_most_specific_image_option_applies() {
        let mut request = ImageOptions::default();
        assert_eq!(request.set("alpha", "white"), Ok(true));
        assert_eq!(request.set("text", "white"), Ok(false));
        for (name, wrong) in [
            ("alpha", "red"),
            ("value_bits", "7"),
            ("exif_orientation", "yes"),
        ] {
            assert!(request.set(name, wrong).is_err(), "{name}");
        }
        let mut set = ImageOptions::default();
        set.set("alpha", "black").unwrap();
        set.set("value_bits", "10").unwrap();
        let both = request.or(set);
        assert_eq!(both.alpha, Some(Alpha::White));
        assert_eq!(both.value_bits, ValueBits::new(10));
        assert_eq!(both.exif_orientation, None);
    }
}
