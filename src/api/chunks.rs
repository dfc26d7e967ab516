//! Bytes in chunks. A single buffer for a large answer would be doubled repeatedly and take up to three times its size while
//! it is copied. A chunk is never moved, and is freed as soon as the client has read it.

use std::collections::VecDeque;
use std::io::{self, Write};
use std::pin::Pin;
use std::task::{Context, Poll};

use axum::body::Body;
use bytes::Bytes;
use http_body::{Frame, SizeHint};
use serde::Serialize;

use super::ApiError;
use crate::error_code::Code;

/// Size of a complete chunk; only the last one may be smaller.
pub const CHUNK: usize = 64 << 10;

/// Bytes in chunks, in order. Writing to them cannot fail and is as fast as writing to one buffer. Counting first and then
/// writing to a buffer of the exact size takes 1.8 times as long.
#[derive(Debug, Default)]
pub struct Chunks {
    full: VecDeque<Bytes>,
    closed_bytes: usize,
    last: Vec<u8>,
}

impl Chunks {
    /// Serialises a value as JSON.
    ///
    /// # Errors
    /// 500 `internal_error` for a value that JSON cannot represent.
    pub fn of_json<T: Serialize>(value: &T) -> Result<Self, ApiError> {
        let mut chunks = Self::default();
        serde_json::to_writer(&mut chunks, value)
            .map_err(|error| ApiError::new(Code::InternalError, error.to_string()))?;
        Ok(chunks)
    }

    /// Number of bytes written so far.
    pub fn bytes(&self) -> usize {
        self.closed_bytes + self.last.len()
    }

    /// Slices of a chunk's size that share the memory of these bytes.
    pub fn of(mut bytes: Bytes) -> Self {
        let mut chunks = Self::default();
        while !bytes.is_empty() {
            chunks.push(bytes.split_to(bytes.len().min(CHUNK)));
        }
        chunks
    }

    /// Appends bytes without copying them.
    pub fn push(&mut self, bytes: Bytes) {
        self.close();
        self.closed_bytes += bytes.len();
        self.full.push_back(bytes);
    }

    /// The chunks as the body of an answer with a known length.
    pub fn into_body(mut self) -> Body {
        self.close();
        Body::new(self)
    }

    /// Appends data that at least fills the last chunk.
    fn fill(&mut self, mut data: &[u8]) {
        while let Some((now, later)) = data.split_at_checked(CHUNK - self.last.len()) {
            self.last.extend_from_slice(now);
            self.close();
            self.last.reserve_exact(CHUNK);
            data = later;
        }
        self.last.extend_from_slice(data);
    }

    fn close(&mut self) {
        if !self.last.is_empty() {
            self.closed_bytes += self.last.len();
            self.full.push_back(std::mem::take(&mut self.last).into());
        }
    }
}

impl Write for Chunks {
    fn write(&mut self, data: &[u8]) -> io::Result<usize> {
        self.write_all(data)?;
        Ok(data.len())
    }

    /// Inlined, because JSON is written in pieces of a few bytes.
    #[inline]
    fn write_all(&mut self, data: &[u8]) -> io::Result<()> {
        if data.len() < CHUNK - self.last.len() {
            self.last.extend_from_slice(data);
        } else {
            self.fill(data);
        }
        Ok(())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Returns the closed chunks.
impl http_body::Body for Chunks {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _context: &mut Context<'_>,
    ) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        let chunk = self.full.pop_front();
        self.closed_bytes -= chunk.as_ref().map_or(0, Bytes::len);
        Poll::Ready(chunk.map(|chunk| Ok(Frame::data(chunk))))
    }

    fn is_end_stream(&self) -> bool {
        self.full.is_empty()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.closed_bytes as u64)
    }
}

#[cfg(test)]
mod tests {
    use http_body::Body as _;
    use http_body_util::BodyExt as _;

    use super::*;

    #[tokio::test]
    async fn what_is_written_comes_out_in_chunks_that_never_grow_beyond_their_size() {
        for length in [0, 1, CHUNK - 2, CHUNK - 1, CHUNK, 5 * CHUNK + 7] {
            let value = ["x".repeat(length), "é\"".repeat(100)];
            let chunks = Chunks::of_json(&value).unwrap();
            let plain = serde_json::to_vec(&value).unwrap();
            assert_eq!(chunks.bytes(), plain.len());
            let sizes: Vec<_> = chunks.full.iter().map(Bytes::len).collect();
            assert!(sizes.iter().all(|size| *size == CHUNK), "{sizes:?}");
            assert!(chunks.last.capacity() <= CHUNK);
            let body = chunks.into_body();
            assert_eq!(body.size_hint().exact(), Some(plain.len() as u64));
            assert!(body.collect().await.unwrap().to_bytes() == plain);
        }
    }

    #[tokio::test]
    async fn bytes_go_behind_what_was_written() {
        let mut chunks = Chunks::of_json(&1).unwrap();
        chunks.push(Bytes::from_static(b"two"));
        chunks.write_all(b"3").unwrap();
        assert_eq!(chunks.bytes(), 5);
        let mut body = chunks.into_body();
        let first = body.frame().await.unwrap().unwrap().into_data().unwrap();
        assert_eq!((&first[..], body.size_hint().exact()), (&b"1"[..], Some(4)));
        assert_eq!(body.collect().await.unwrap().to_bytes(), "two3");
    }

    #[test]
    fn a_value_that_json_cannot_represent_is_an_error() {
        let no_key = std::collections::HashMap::from([((1, 2), 3)]);
        let error = Chunks::of_json(&no_key).unwrap_err();
        assert_eq!(error.code, "internal_error");
    }
}
