//! Compressed bodies and messages. They are decompressed step by step, and each step is taken from the byte budget before it is
//! allocated, so that a few compressed bytes cannot exceed what others leave.

use std::io::{self, Read};

use bytes::{Buf, Bytes};
use flate2::read::MultiGzDecoder;

/// Number of bytes per step.
pub const STEP: usize = 64 << 10;

/// The compression of a body or a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Coding {
    /// gzip, one member or several.
    Gzip,
    /// Zstandard, one frame or several.
    Zstd,
}

/// The reason why bytes were not decompressed.
#[derive(Debug)]
pub enum Broken {
    /// The result is larger than allowed.
    TooLarge,
    /// They are not compressed as announced.
    Invalid(io::Error),
}

/// Bytes that are being decompressed.
pub struct Unpacking(Box<dyn Read + Send>);

impl Unpacking {
    /// Nothing is decompressed yet.
    ///
    /// # Errors
    /// If there can be no decoder.
    pub fn begin(coding: Coding, packed: Bytes) -> Result<Self, Broken> {
        Ok(Self(match coding {
            Coding::Gzip => Box::new(MultiGzDecoder::new(packed.reader())),
            Coding::Zstd => {
                let decoder = zstd::stream::read::Decoder::new(packed.reader());
                let mut decoder = decoder.map_err(Broken::Invalid)?;
                // 8 MiB, which the format asks every decoder to allow: no frame may ask for more memory than that.
                decoder.window_log_max(23).map_err(Broken::Invalid)?;
                Box::new(decoder)
            }
        }))
    }

    /// Appends [`STEP`] bytes to `plain`, which may have `most` in all; false at the end. Memory for the step must be counted before.
    ///
    /// # Errors
    /// See [`Broken`].
    pub fn step(&mut self, plain: &mut Vec<u8>, most: usize) -> Result<bool, Broken> {
        let mut step = self.0.by_ref().take(STEP as u64);
        let read = step.read_to_end(plain).map_err(Broken::Invalid)?;
        if plain.len() > most {
            return Err(Broken::TooLarge);
        }
        Ok(read == STEP)
    }
}
