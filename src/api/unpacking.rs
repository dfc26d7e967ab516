//! Compressed bodies and messages, unpacked step by step. Each step is paid for from the byte budget before it is there, so
//! that a few packed bytes cannot become more than others have left.

use std::io::{self, Read};

use bytes::{Buf, Bytes};
use flate2::read::MultiGzDecoder;

use super::ApiError;

/// Bytes that are unpacked at a time.
pub const STEP: usize = 64 << 10;

/// How bytes are compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Coding {
    /// gzip, one member or several.
    Gzip,
    /// Zstandard, one frame or several.
    Zstd,
}

/// Why bytes were not unpacked.
#[derive(Debug)]
pub enum Broken {
    /// They become larger than they may.
    TooLarge,
    /// They are not compressed as they should be.
    Invalid(io::Error),
    /// The byte budget has no room for them.
    Refused(ApiError),
}

/// Bytes that are being unpacked.
pub struct Unpacking {
    reader: Box<dyn Read + Send>,
    /// What is unpacked so far.
    pub plain: Vec<u8>,
}

impl Unpacking {
    /// Nothing is unpacked yet.
    ///
    /// # Errors
    /// If there can be no decoder.
    pub fn begin(coding: Coding, packed: Bytes) -> Result<Self, Broken> {
        let reader: Box<dyn Read + Send> = match coding {
            Coding::Gzip => Box::new(MultiGzDecoder::new(packed.reader())),
            Coding::Zstd => {
                let decoder = zstd::stream::read::Decoder::new(packed.reader());
                let mut decoder = decoder.map_err(Broken::Invalid)?;
                // 8 MiB, which the format asks every decoder to allow: no frame may ask for more memory than that.
                decoder.window_log_max(23).map_err(Broken::Invalid)?;
                Box::new(decoder)
            }
        };
        Ok(Self {
            reader,
            plain: Vec::new(),
        })
    }

    /// Unpacks [`STEP`] bytes more, to `most` in all; false when that was the end. `pay` is asked for the bytes of the step
    /// before it.
    ///
    /// # Errors
    /// See [`Broken`].
    pub fn step(
        &mut self,
        most: usize,
        pay: impl FnOnce(usize) -> Result<(), ApiError>,
    ) -> Result<bool, Broken> {
        pay(STEP).map_err(Broken::Refused)?;
        let mut step = self.reader.by_ref().take(STEP as u64);
        let read = step.read_to_end(&mut self.plain).map_err(Broken::Invalid)?;
        if self.plain.len() > most {
            return Err(Broken::TooLarge);
        }
        Ok(read == STEP)
    }
}
