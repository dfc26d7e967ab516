//! Bytes that are collected piece by piece, and whose room is paid for before it is there.

use bytes::Bytes;

use super::ApiError;
use super::admission::{AdmittedBody, ByteShare};

/// Room for the first bytes, if no fewer are announced.
const FIRST: usize = 256 << 10;

/// How many times as large each room is as the one before. The rooms before are garbage that the allocator keeps for a while: with 2,
/// they would be as large together as the last one.
const GROWTH: usize = 4;

/// What has come so far. Its share is as large as its room, which grows by [`GROWTH`] up to what may come at most: an announcement alone
/// costs next to nothing. Only while it moves are both rooms there, at most once for each thread.
#[derive(Debug)]
pub struct Collected {
    bytes: Vec<u8>,
    share: ByteShare,
    most: usize,
}

impl Collected {
    /// Nothing yet, of `most` bytes at most if the sender keeps its word.
    pub fn new(share: ByteShare, most: usize) -> Self {
        Self {
            bytes: Vec::new(),
            share,
            most,
        }
    }

    /// Bytes so far.
    pub fn len(&self) -> usize {
        self.bytes.len()
    }

    /// Makes room for so many more, and gives the bytes to be appended to.
    ///
    /// # Errors
    /// As [`ByteShare::resize`].
    pub fn with_room(&mut self, more: usize) -> Result<&mut Vec<u8>, ApiError> {
        let needed = self.bytes.len() + more;
        if needed > self.bytes.capacity() {
            let grown = self.bytes.capacity().saturating_mul(GROWTH).max(FIRST);
            let room = grown.min(self.most).max(needed);
            self.share.resize(room)?;
            self.bytes.reserve_exact(room - self.bytes.len());
        }
        Ok(&mut self.bytes)
    }

    /// All that has come, with the share that stands for it.
    pub fn finish(self) -> AdmittedBody {
        AdmittedBody::new(Bytes::from(self.bytes), self.share)
    }
}
