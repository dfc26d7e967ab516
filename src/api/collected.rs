//! Collects bytes piece by piece; memory is taken from the budget before it is allocated.

use bytes::Bytes;

use super::ApiError;
use super::byte_share::{AdmittedBody, ByteShare};

/// Initial capacity, unless the announced length is smaller.
const FIRST: usize = 256 << 10;

/// Growth factor of the capacity. The allocator keeps freed buffers for a while: with a factor of 2, they would add up to
/// the size of the last one.
const GROWTH: usize = 4;

/// The data so far. Its share of the budget equals its capacity, which grows by [`GROWTH`] up to the maximum, so that an
/// announcement alone costs almost nothing. Both buffers exist only while the data is copied, at most once per thread.
#[derive(Debug)]
pub struct Collected {
    bytes: Vec<u8>,
    share: ByteShare,
    most: usize,
}

impl Collected {
    /// Empty, for at most `most` bytes if the announced length is correct.
    pub fn new(share: ByteShare, most: usize) -> Self {
        Self {
            bytes: Vec::new(),
            share,
            most,
        }
    }

    /// Number of bytes so far.
    pub fn len(&self) -> usize {
        self.bytes.len()
    }

    /// Reserves room for more bytes and returns the buffer to append to.
    ///
    /// # Errors
    /// The errors of [`ByteShare::resize`].
    pub fn with_room(&mut self, more: usize) -> Result<&mut Vec<u8>, ApiError> {
        if let Some(room) = room_for(&self.bytes, more, self.most) {
            self.share.resize(room)?;
            self.bytes.reserve_exact(room - self.bytes.len());
        }
        Ok(&mut self.bytes)
    }

    /// All the data, with its share of the budget.
    pub fn finish(self) -> AdmittedBody {
        AdmittedBody::new(Bytes::from(self.bytes), self.share)
    }
}

/// The room that bytes need for so many more, of which `most` may come in all; `None` if there is enough.
pub fn room_for(bytes: &Vec<u8>, more: usize, most: usize) -> Option<usize> {
    let needed = bytes.len() + more;
    let grown = bytes.capacity().saturating_mul(GROWTH).max(FIRST);
    (needed > bytes.capacity()).then(|| grown.min(most).max(needed))
}
