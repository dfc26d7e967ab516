//! Bytes as base64 in a stored file.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::de::{Deserialize, Deserializer, Error};
use serde::ser::Serializer;

/// Writes bytes.
///
/// # Errors
/// The serializer's.
pub fn serialize<S: Serializer>(bytes: &impl AsRef<[u8]>, to: S) -> Result<S::Ok, S::Error> {
    to.serialize_str(&STANDARD.encode(bytes))
}

/// Reads bytes.
///
/// # Errors
/// The deserializer's, or an error for text that is not base64.
pub fn deserialize<'de, B: From<Vec<u8>>, D: Deserializer<'de>>(from: D) -> Result<B, D::Error> {
    let text = String::deserialize(from)?;
    STANDARD.decode(text).map(B::from).map_err(D::Error::custom)
}
