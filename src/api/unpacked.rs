//! A request's body that may come compressed, over REST.

use axum::body::Body;
use axum::http::{HeaderMap, header};
use bytes::Bytes;

use super::ApiError;
use super::admission::{Admission, AdmittedBody, ByteShare};
use super::unpacking::{Broken, Coding, Unpacking};
use crate::error_code::Code;

/// How the headers say that a body is compressed, if it is.
///
/// # Errors
/// 415 `unsupported_content_encoding` for any coding but gzip, and for several.
pub fn coding_of(headers: &HeaderMap) -> Result<Option<Coding>, ApiError> {
    let mut coding = None;
    for value in headers.get_all(header::CONTENT_ENCODING) {
        let value = value.as_bytes().trim_ascii();
        let is = |name: &str| value.eq_ignore_ascii_case(name.as_bytes());
        if value.is_empty() || is("identity") {
            continue;
        }
        if coding.is_some() || !(is("gzip") || is("x-gzip")) {
            let message = "the only content-encoding that is read is gzip, once; send the body so, or as it is";
            return Err(ApiError::new(Code::UnsupportedContentEncoding, message));
        }
        coding = Some(Coding::Gzip);
    }
    Ok(coding)
}

impl Admission {
    /// Reads a body as [`Admission::read`] does, and unpacks it if its headers say that it is compressed.
    ///
    /// # Errors
    /// As [`Admission::read`], for what it unpacks to as well; 400 `invalid_gzip`; and as [`coding_of`].
    pub async fn read_unpacked(
        &self,
        headers: &HeaderMap,
        body: Body,
    ) -> Result<AdmittedBody, ApiError> {
        let coding = coding_of(headers);
        let packed = self.read(headers, body).await?;
        let Some(coding) = coding? else {
            return Ok(packed);
        };
        let (share, most) = (self.share(), self.max_body_bytes());
        // 64 MiB take a third of a second, too long for a thread that others wait for.
        let bytes = packed.bytes.clone();
        let unpacked = tokio::task::spawn_blocking(move || unpack(coding, bytes, share, most));
        match unpacked.await {
            Ok(Ok((bytes, share))) => Ok(AdmittedBody::new(bytes, share)),
            Ok(Err(Broken::TooLarge)) => Err(self.too_large()),
            Ok(Err(Broken::Refused(error))) => Err(error),
            Ok(Err(Broken::Invalid(error))) => {
                let message = format!("the body is no gzip, as its content-encoding says: {error}");
                Err(ApiError::new(Code::InvalidGzip, message))
            }
            Err(_) => {
                let message = "the body could not be unpacked";
                Err(ApiError::new(Code::InternalError, message))
            }
        }
    }
}

fn unpack(
    coding: Coding,
    packed: Bytes,
    mut share: ByteShare,
    most: usize,
) -> Result<(Bytes, ByteShare), Broken> {
    let mut unpacking = Unpacking::begin(coding, packed)?;
    while unpacking.step(most, |more| share.resize(share.bytes() + more))? {}
    Ok((unpacking.plain.into(), share))
}
