//! Compressed messages, unpacked in steps, so that each can be paid for before it is there.

use std::io::Read;

use axum::http::HeaderMap;
use bytes::{Buf, Bytes};
use tonic::Status;

/// A compressed message is unpacked in steps of so many bytes, each of which is paid for before the next.
pub const STEP: usize = 64 << 10;

/// How messages of a request are compressed, if they are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Compression {
    Gzip,
    Zstd,
    /// None, or one that tonic will refuse by its name.
    Other,
}

impl Compression {
    /// As a request's headers say.
    pub fn of(headers: &HeaderMap) -> Self {
        match headers.get("grpc-encoding").map(|value| value.as_bytes()) {
            Some(b"gzip") => Self::Gzip,
            Some(b"zstd") => Self::Zstd,
            _ => Self::Other,
        }
    }
}

/// A message that is unpacked in steps.
pub struct Unpacking {
    reader: Box<dyn Read + Send>,
    /// What is unpacked so far.
    pub plain: Vec<u8>,
    /// What it has taken of the byte budget so far.
    pub paid: usize,
}

impl Unpacking {
    /// Of a message that has taken so much of the budget.
    ///
    /// # Errors
    /// If it cannot be unpacked.
    pub fn begin(compression: Compression, packed: Bytes, paid: usize) -> Result<Self, Status> {
        let reader: Box<dyn Read + Send> = match compression {
            Compression::Zstd => {
                let decoder = zstd::stream::read::Decoder::new(packed.reader());
                let mut decoder = decoder.map_err(broken)?;
                // 8 MiB, which the format asks every decoder to allow: no frame may ask for more memory than that.
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

    /// Unpacks one step more; how many bytes that were, fewer than [`STEP`] at the end.
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
