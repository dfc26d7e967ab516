//! Reads a request's body over REST, which may be compressed.

use axum::body::Body;
use axum::http::{HeaderMap, header};
use bytes::Bytes;

use super::ApiError;
use super::admission::Admission;
use super::byte_share::{AdmittedBody, ByteShare};
use super::collected::Collected;
use super::unpacking::{Broken, Coding, STEP, Unpacking};
use crate::error_code::Code;

/// The compression of a body according to its headers, if any.
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
    /// Reads a body like [`Admission::read`], and decompresses it if its headers say so.
    ///
    /// # Errors
    /// Those of [`Admission::read`], also for the decompressed size; 400 `invalid_gzip`; and those of [`coding_of`].
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
        // 64 MiB take a third of a second, too long for a thread that serves others.
        let unpacked = tokio::task::spawn_blocking(move || {
            let unpacked = unpack(coding, packed.bytes.clone(), share, most);
            drop(packed);
            unpacked
        });
        match unpacked.await {
            Ok(Ok(body)) => Ok(body),
            Ok(Err(Refusal::Broken(Broken::TooLarge))) => Err(self.too_large()),
            Ok(Err(Refusal::NoRoom(error))) => Err(error),
            Ok(Err(Refusal::Broken(Broken::Invalid(error)))) => {
                let message =
                    format!("the body is not gzip, although its content-encoding says so: {error}");
                Err(ApiError::new(Code::InvalidGzip, message))
            }
            Err(_) => {
                let message = "the body could not be unpacked";
                Err(ApiError::new(Code::InternalError, message))
            }
        }
    }
}

/// The reason why a body was not decompressed.
enum Refusal {
    Broken(Broken),
    /// The byte budget has no room for it.
    NoRoom(ApiError),
}

fn unpack(
    coding: Coding,
    packed: Bytes,
    share: ByteShare,
    most: usize,
) -> Result<AdmittedBody, Refusal> {
    let mut unpacking = Unpacking::begin(coding, packed).map_err(Refusal::Broken)?;
    // One step beyond the bound shows that there is more.
    let mut collected = Collected::new(share, most + STEP);
    loop {
        let plain = collected.with_room(STEP).map_err(Refusal::NoRoom)?;
        if !unpacking.step(plain, most).map_err(Refusal::Broken)? {
            return Ok(collected.finish());
        }
    }
}
