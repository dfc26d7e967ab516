//! A file in memory, read in pieces so that decoding can stop between them.

use std::io::{self, BufRead, Cursor, Read, Seek, SeekFrom};

use crate::preprocess::stop::Stop;

/// Number of bytes between two checks.
const PIECE: usize = 16 << 10;

/// The bytes of a file. Reading fails as soon as decoding should stop.
pub(super) struct Paced<'a> {
    file: Cursor<&'a [u8]>,
    stop: &'a Stop,
    /// Remaining bytes of the piece.
    left: usize,
}

impl<'a> Paced<'a> {
    pub(super) fn new(bytes: &'a [u8], stop: &'a Stop) -> Self {
        Self {
            file: Cursor::new(bytes),
            stop,
            left: 0,
        }
    }
}

impl Read for Paced<'_> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let piece = self.fill_buf()?;
        let count = piece.len().min(out.len());
        out[..count].copy_from_slice(&piece[..count]);
        self.consume(count);
        Ok(count)
    }
}

impl BufRead for Paced<'_> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        if self.left == 0 {
            self.stop.check().map_err(io::Error::other)?;
            self.left = PIECE;
        }
        let rest = self.file.fill_buf()?;
        Ok(&rest[..rest.len().min(self.left)])
    }

    fn consume(&mut self, count: usize) {
        self.left = self.left.saturating_sub(count);
        self.file.consume(count);
    }
}

impl Seek for Paced<'_> {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        self.file.seek(to)
    }
}
