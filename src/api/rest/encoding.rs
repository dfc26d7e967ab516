//! Formats of an embedding: numbers, base64, or smaller numbers.

use std::str::FromStr;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::de::{Deserializer, Error};
use serde::{Deserialize, Serialize};
use utoipa::openapi::RefOr;
use utoipa::openapi::schema::{AnyOfBuilder, ArrayBuilder, ObjectBuilder, Schema, Type};
use utoipa::{PartialSchema, ToSchema};

/// The names of the formats, for messages.
pub const FORMATS: &str = "a format of embeddings is float, base64, int8, uint8, binary or ubinary";

/// The format of embeddings: numbers, base64 of little-endian 32-bit floats, 8-bit numbers (`int8`: 127 times the number,
/// rounded; `uint8`: 128 more), or one bit per number (1 if it is above 0), 8 bits in a number with the first as the highest
/// (`ubinary`: 0 to 255; `binary`: 128 less).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ToSchema)]
#[schema(rename_all = "snake_case")]
pub enum EncodingFormat {
    #[default]
    Float,
    Base64,
    Int8,
    Uint8,
    Binary,
    Ubinary,
}

/// An encoded embedding.
#[derive(Debug, Serialize)]
#[serde(untagged)]
pub enum Vector {
    Float(Vec<f32>),
    /// Little-endian f32.
    Base64(String),
    /// `int8` and `binary`
    Signed(Vec<i8>),
    /// `uint8` and `ubinary`
    Unsigned(Vec<u16>),
}

// Integers are also numbers, so a choice of exactly one of the lists would be wrong.
impl PartialSchema for Vector {
    fn schema() -> RefOr<Schema> {
        let number = ObjectBuilder::new().schema_type(Type::Number);
        let numbers = ArrayBuilder::new().items(RefOr::from(Schema::from(number)));
        let text = ObjectBuilder::new().schema_type(Type::String);
        let either = AnyOfBuilder::new()
            .item(RefOr::from(Schema::from(numbers)))
            .item(RefOr::from(Schema::from(text)));
        Schema::from(either.build()).into()
    }
}

impl ToSchema for Vector {}

impl FromStr for EncodingFormat {
    type Err = &'static str;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        Ok(match name {
            "float" => Self::Float,
            "base64" => Self::Base64,
            "int8" => Self::Int8,
            "uint8" => Self::Uint8,
            "binary" => Self::Binary,
            "ubinary" => Self::Ubinary,
            _ => return Err(FORMATS),
        })
    }
}

impl EncodingFormat {
    /// Encodes a normalised embedding.
    pub fn write(self, numbers: Vec<f32>) -> Vector {
        match self {
            Self::Float => Vector::Float(numbers),
            Self::Base64 => {
                let bytes: Vec<u8> = numbers.iter().flat_map(|x| x.to_le_bytes()).collect();
                Vector::Base64(STANDARD.encode(bytes))
            }
            Self::Int8 => Vector::Signed(numbers.into_iter().map(eight_bits).collect()),
            Self::Uint8 => {
                let numbers = numbers.into_iter().map(eight_bits);
                Vector::Unsigned(numbers.map(|x| (i16::from(x) + 128) as u16).collect())
            }
            Self::Binary => {
                let packed = packed(&numbers);
                let signed = packed.map(|bits| (i16::from(bits) - 128) as i8);
                Vector::Signed(signed.collect())
            }
            Self::Ubinary => Vector::Unsigned(packed(&numbers).map(u16::from).collect()),
        }
    }
}

// Written by hand: the derived code also accepts `{"float": null}`.
impl<'de> Deserialize<'de> for EncodingFormat {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let name = String::deserialize(deserializer)?;
        name.parse().map_err(D::Error::custom)
    }
}

fn eight_bits(number: f32) -> i8 {
    (number * 127.0).round() as i8
}

/// One bit per number, like NumPy's `packbits` of `numbers > 0`.
fn packed(numbers: &[f32]) -> impl Iterator<Item = u8> {
    numbers.chunks(8).map(|eight| {
        let bits = eight.iter().enumerate();
        bits.fold(0, |byte, (i, x)| byte | (u8::from(*x > 0.0) << (7 - i)))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_become_bytes_and_bits() {
        let numbers = vec![0.5, -0.5, 1.0, -1.0, 0.0, 0.1, 0.1, 0.1, -0.1, 0.2];
        let format = |name: &str| name.parse::<EncodingFormat>();
        let write = |name: &str| serde_json::to_value(format(name).unwrap().write(numbers.clone()));
        let json = |name: &str| write(name).unwrap().to_string();
        assert_eq!(json("int8"), "[64,-64,127,-127,0,13,13,13,-13,25]");
        assert_eq!(json("uint8"), "[192,64,255,1,128,141,141,141,115,153]");
        assert_eq!(json("ubinary"), "[167,64]");
        assert_eq!(json("binary"), "[39,-64]");
        assert!(format("int4").is_err());
    }
}
