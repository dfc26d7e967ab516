//! A picture as received: its bytes, or base64 text.

use std::borrow::Cow;

use base64::Engine as _;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use bytes::Bytes;
use utoipa::openapi::schema::{ObjectBuilder, Schema, Type};
use utoipa::openapi::{KnownFormat, RefOr, SchemaFormat};
use utoipa::{PartialSchema, ToSchema};

use super::error::ItemError;

/// An encoded picture.
#[derive(Debug, Clone)]
pub enum ImageSource {
    /// The file's bytes.
    Bytes(Bytes),
    /// Base64 (standard or URL-safe alphabet, padding optional), or a `data:image/…;base64,` URI.
    ///
    /// URLs are not handled here: the fetcher replaces them by the bytes.
    Base64(String),
}

/// The description of an image in JSON for the OpenAPI document.
impl PartialSchema for ImageSource {
    fn schema() -> RefOr<Schema> {
        let description = "An image file in base64 (standard or URL-safe alphabet, padding optional), or a data:image/…;base64,… URI. \
                           JPEG, PNG, WebP, BMP, TIFF and GIF are recognised by content. Where the server lists hosts, an https:// or http:// URL of one.";
        ObjectBuilder::new()
            .schema_type(Type::String)
            .format(Some(SchemaFormat::KnownFormat(KnownFormat::Byte)))
            .description(Some(description))
            .into()
    }
}

impl ToSchema for ImageSource {
    fn name() -> Cow<'static, str> {
        "Image".into()
    }
}

/// Clients differ in padding; both forms encode the same bytes.
const LENIENT: GeneralPurposeConfig =
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent);
const STANDARD: GeneralPurpose = GeneralPurpose::new(&alphabet::STANDARD, LENIENT);
const URL_SAFE: GeneralPurpose = GeneralPurpose::new(&alphabet::URL_SAFE, LENIENT);

impl ImageSource {
    /// The URL given instead of an image, if it is one. `data:` URIs are images themselves.
    pub fn url(&self) -> Option<&str> {
        match self {
            Self::Bytes(_) => None,
            Self::Base64(text) => url(text),
        }
    }

    /// Bytes that it takes as it was posted.
    pub fn posted_bytes(&self) -> usize {
        match self {
            Self::Bytes(bytes) => bytes.len(),
            Self::Base64(text) => text.len(),
        }
    }

    /// The first bytes of the file, at most `most` of them; none for invalid base64.
    pub fn head(&self, most: usize) -> Cow<'_, [u8]> {
        match self {
            Self::Bytes(bytes) => Cow::Borrowed(&bytes[..most.min(bytes.len())]),
            Self::Base64(text) => {
                // Four characters encode three bytes.
                let payload = payload(text).unwrap_or_default();
                let head = payload.get(..most / 3 * 4).unwrap_or(payload);
                spelled(head).unwrap_or_default().into()
            }
        }
    }

    /// The file's bytes.
    ///
    /// # Errors
    /// [`ItemError::Base64`] if the text is not valid.
    pub fn bytes(&self) -> Result<Cow<'_, [u8]>, ItemError> {
        match self {
            Self::Bytes(bytes) => Ok(Cow::Borrowed(bytes)),
            Self::Base64(text) => decode(text).map(Cow::Owned),
        }
    }
}

/// The text without surrounding blanks, if it begins like a URL. Base64 has no colon.
pub fn url(text: &str) -> Option<&str> {
    let text = text.trim_ascii();
    let is_data = |scheme: &str| scheme.eq_ignore_ascii_case("data");
    // Longer than any scheme in use, so that a large image is not searched completely.
    let head = text.as_bytes().get(..SCHEME_BYTES.min(text.len()))?;
    let colon = head.iter().position(|byte| *byte == b':')?;
    let scheme = text.get(..colon)?;
    let in_scheme = |byte: u8| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte);
    (scheme.starts_with(|c: char| c.is_ascii_alphabetic())
        && scheme.bytes().all(in_scheme)
        && !is_data(scheme))
    .then_some(text)
}

/// Number of bytes in which a URL's first colon is searched.
const SCHEME_BYTES: usize = 32;

fn decode(text: &str) -> Result<Vec<u8>, ItemError> {
    spelled(payload(text)?)
}

/// The base64 part of a data URI, or the whole text.
fn payload(text: &str) -> Result<&str, ItemError> {
    let refused = |reason: &str| ItemError::Base64(reason.to_owned());
    let text = text.trim_ascii();
    match text.get(..5) {
        Some(scheme) if scheme.eq_ignore_ascii_case("data:") => {
            let (head, payload) = text
                .split_once(',')
                .ok_or_else(|| refused("a data URI needs a comma before its data"))?;
            if !head.to_ascii_lowercase().ends_with(";base64") {
                return Err(refused(
                    "only data URIs of the form data:image/…;base64,… are read",
                ));
            }
            Ok(payload)
        }
        _ if url(text).is_some() => Err(ItemError::UrlNotAllowed),
        _ => Ok(text),
    }
}

/// The bytes that base64 encodes.
fn spelled(payload: &str) -> Result<Vec<u8>, ItemError> {
    let engine = if payload.contains(['-', '_']) {
        URL_SAFE
    } else {
        STANDARD
    };
    // MIME wraps lines; only then a copy is made.
    let payload = if payload.contains(['\n', '\r']) {
        Cow::Owned(payload.replace(['\n', '\r'], ""))
    } else {
        Cow::Borrowed(payload)
    };
    engine
        .decode(payload.as_bytes())
        .map_err(|e| ItemError::Base64(e.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes(text: &str) -> Result<Vec<u8>, ItemError> {
        ImageSource::Base64(text.to_owned())
            .bytes()
            .map(Cow::into_owned)
    }

    #[test]
    fn every_form_of_base64_gives_the_same_bytes() {
        for text in [
            "+/+/AQ==",
            "+/+/AQ",
            "-_-_AQ",
            "+/+/\r\nAQ==",
            "data:image/png;base64,+/+/AQ==",
            "DATA:;base64,+/+/AQ",
        ] {
            assert_eq!(bytes(text).unwrap(), [0xfb, 0xff, 0xbf, 1], "{text}");
            let image = ImageSource::Base64(text.to_owned());
            assert_eq!(*image.head(3), [0xfb, 0xff, 0xbf], "{text}");
        }
    }

    #[test]
    fn invalid_base64_has_a_reason() {
        for text in [
            "not base64!",
            "data:image/png,raw",
            "data:image/png;base64",
            "abc\u{e9}",
        ] {
            assert!(matches!(bytes(text), Err(ItemError::Base64(_))), "{text}");
        }
        for text in [
            "http://example.com/x.png",
            " HTTPS://example.com/x.png",
            "file:///etc/passwd",
        ] {
            assert_eq!(bytes(text), Err(ItemError::UrlNotAllowed), "{text}");
        }
    }
}
