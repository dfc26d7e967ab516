//! Shares of the byte budgets, and bodies with theirs.

use std::sync::Arc;

use bytes::Bytes;

use super::ApiError;
use super::awaited::gave_way;
use super::lease::{Lease, Refused};

/// The unit of the byte budget, so that a body does not take a lock for every packet.
pub(super) const UNIT: usize = 64 * 1024;

/// A body that was read; its share of the byte budget is released when this is dropped.
#[derive(Debug)]
pub struct AdmittedBody {
    /// The whole body.
    pub bytes: Bytes,
    share: ByteShare,
}

impl AdmittedBody {
    /// Bytes with their share of the budget.
    pub(super) fn new(bytes: Bytes, share: ByteShare) -> Self {
        Self { bytes, share }
    }

    /// Must be called after the body was parsed: the result is as large and takes the body's place in the budget. The bytes
    /// are dropped, so that they are not in memory twice.
    pub fn was_parsed(&mut self) {
        self.bytes = Bytes::new();
    }

    /// Counts `bytes` for the data made from the body, if that is more than the body itself.
    ///
    /// # Errors
    /// The errors of [`ByteShare::resize`].
    pub fn grows_to(&mut self, bytes: usize) -> Result<(), ApiError> {
        match bytes > self.share.bytes() {
            true => self.share.resize(bytes),
            false => Ok(()),
        }
    }
}

/// The share of the byte budget that a request holds; released when this is dropped.
#[derive(Debug)]
pub struct ByteShare {
    lease: Arc<Lease>,
    bytes: usize,
    /// Bytes that are free of charge.
    free: usize,
    /// The message if the budget is used up.
    full: &'static str,
}

impl ByteShare {
    /// An empty share; the first `free` bytes are free of charge, and `full` is the message if the budget is used up.
    pub(super) fn new(lease: Arc<Lease>, free: usize, full: &'static str) -> Self {
        Self {
            lease,
            bytes: 0,
            free,
            full,
        }
    }

    /// Grows or shrinks the share to `bytes`. If the budget is used up, it takes the shares of slow senders.
    ///
    /// # Errors
    /// 429 if there are none, 408 if this request itself lost its share; what is held stays held.
    pub fn resize(&mut self, bytes: usize) -> Result<(), ApiError> {
        let resized = self
            .lease
            .resize(bytes.saturating_sub(self.free).div_ceil(UNIT));
        resized.map_err(|refused| match refused {
            Refused::Full => ApiError::overloaded(self.full, 1),
            Refused::Lost => gave_way(),
        })?;
        self.bytes = bytes;
        Ok(())
    }

    /// The lease through which slow senders lose their share.
    pub fn lease(&self) -> &Arc<Lease> {
        &self.lease
    }

    /// Its size in bytes.
    pub fn bytes(&self) -> usize {
        self.bytes
    }
}
