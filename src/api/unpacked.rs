//! A request's body that may be compressed. It is decompressed step by step, and each step is taken from the byte budget
//! before it is allocated, so that a few compressed bytes cannot exceed what others leave.

use std::io::Read;

use axum::body::Body;
use axum::http::{HeaderMap, header};
use flate2::read::MultiGzDecoder;

use super::ApiError;
use super::admission::{Admission, AdmittedBody, ByteShare};
use super::collected::Collected;
use crate::error_code::Code;

/// Number of bytes per step.
const STEP: usize = 64 << 10;

/// The compression of a body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Coding {
    /// Not compressed.
    Plain,
    /// gzip, one member or several.
    Gzip,
}

impl Coding {
    /// Reads it from the headers.
    ///
    /// # Errors
    /// 415 `unsupported_content_encoding` for any other coding, or for several.
    pub fn of(headers: &HeaderMap) -> Result<Self, ApiError> {
        let mut coding = Self::Plain;
        for value in headers.get_all(header::CONTENT_ENCODING) {
            let value = value.as_bytes().trim_ascii();
            let is = |name: &str| value.eq_ignore_ascii_case(name.as_bytes());
            if value.is_empty() || is("identity") {
                continue;
            }
            if coding != Self::Plain || !(is("gzip") || is("x-gzip")) {
                let message = "the only content-encoding that is read is gzip, once; send the body so, or as it is";
                return Err(ApiError::new(Code::UnsupportedContentEncoding, message));
            }
            coding = Self::Gzip;
        }
        Ok(coding)
    }
}

impl Admission {
    /// Reads a body like [`Admission::read`], and decompresses it if its headers say so.
    ///
    /// # Errors
    /// Those of [`Admission::read`], also for the decompressed size; 400 `invalid_gzip`; and those of [`Coding::of`].
    pub async fn read_unpacked(
        &self,
        headers: &HeaderMap,
        body: Body,
    ) -> Result<AdmittedBody, ApiError> {
        let coding = Coding::of(headers);
        let packed = self.read(headers, body).await?;
        if coding? == Coding::Plain {
            return Ok(packed);
        }
        let (share, most) = (self.share(), self.max_body_bytes());
        // 64 MiB take a third of a second, too long for a thread that serves others.
        let unpacked = tokio::task::spawn_blocking(move || unpack(&packed.bytes, share, most));
        match unpacked.await {
            Ok(Ok(body)) => Ok(body),
            Ok(Err(Broken::TooLarge)) => Err(self.too_large()),
            Ok(Err(Broken::Refused(error))) => Err(error),
            Err(_) => {
                let message = "the body could not be unpacked";
                Err(ApiError::new(Code::InternalError, message))
            }
        }
    }
}

/// The reason why a body was not decompressed.
enum Broken {
    TooLarge,
    Refused(ApiError),
}

fn unpack(packed: &[u8], share: ByteShare, most: usize) -> Result<AdmittedBody, Broken> {
    let mut reader = MultiGzDecoder::new(packed);
    // One step beyond the limit shows whether there is more.
    let mut collected = Collected::new(share, most + STEP);
    loop {
        let plain = collected.with_room(STEP).map_err(Broken::Refused)?;
        let mut step = reader.by_ref().take(STEP as u64);
        let read = step.read_to_end(plain).map_err(|error| {
            let message =
                format!("the body is not gzip, although its content-encoding says so: {error}");
            Broken::Refused(ApiError::new(Code::InvalidGzip, message))
        })?;
        if plain.len() > most {
            return Err(Broken::TooLarge);
        }
        if read < STEP {
            return Ok(collected.finish());
        }
    }
}
