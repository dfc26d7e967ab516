//! Decompresses messages in steps, so that each step can be counted before it is allocated.

use std::io::Read;

use axum::http::HeaderMap;
use bytes::{Buf, Bytes};
use tonic::Status;

/// Size of a step in bytes; each step is counted before the next.
pub const STEP: usize = 64 << 10;

/// The compression of a request's messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Compression {
    Gzip,
    Zstd,
    /// No compression, or one whose name tonic will refuse.
    Other,
}

impl Compression {
    /// Reads it from a request's headers.
    pub fn of(headers: &HeaderMap) -> Self {
        match headers.get("grpc-encoding").map(|value| value.as_bytes()) {
            Some(b"gzip") => Self::Gzip,
            Some(b"zstd") => Self::Zstd,
            _ => Self::Other,
        }
    }
}

/// A message that is decompressed in steps.
pub struct Unpacking {
    reader: Box<dyn Read + Send>,
    /// The data so far.
    pub plain: Vec<u8>,
    /// The bytes of the budget that it has taken so far.
    pub paid: usize,
}

impl Unpacking {
    /// For a message that has taken this part of the budget.
    ///
    /// # Errors
    /// If it cannot be unpacked.
    pub fn begin(compression: Compression, packed: Bytes, paid: usize) -> Result<Self, Status> {
        let reader: Box<dyn Read + Send> = match compression {
            Compression::Zstd => {
                let decoder = zstd::stream::read::Decoder::new(packed.reader());
                let mut decoder = decoder.map_err(broken)?;
                // 8 MiB is the window that the format requires every decoder to support; no frame may require more memory.
                decoder.window_log_max(23).map_err(broken)?;
                Box::new(decoder)
            }
            _ => Box::new(flate2::read::MultiGzDecoder::new(packed.reader())),
        };
        Ok(Self {
            reader,
            plain: Vec::new(),
            paid,
        })
    }

    /// Decompresses one more step; returns the number of bytes, fewer than [`STEP`] at the end.
    ///
    /// # Errors
    /// If it cannot be unpacked.
    pub fn step(&mut self) -> Result<usize, Status> {
        let mut step = self.reader.by_ref().take(STEP as u64);
        step.read_to_end(&mut self.plain).map_err(broken)
    }
}

fn broken(_error: std::io::Error) -> Status {
    Status::invalid_argument("the message cannot be decompressed")
}
