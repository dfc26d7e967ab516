//! Reads an object like a file: in blocks, each with its own request and retries.

use std::collections::VecDeque;
use std::io::{self, Read, Seek, SeekFrom};
use std::sync::Arc;

use bytes::Bytes;
use object_store::GetRange;
use object_store::path::Path;
use parking_lot::Mutex;
use tokio::task::JoinHandle;

use super::bucket::{Bucket, handle};

/// Bytes per block: for sequential reading the latency of a request is small beside the transfer; for random access the
/// block is small.
const LARGE: u64 = 4 << 20;
const SMALL: u64 = 256 << 10;
/// Number of cached blocks: the columns of a Parquet file are read alternately, each from its own place.
const KEPT: usize = 6;

/// The access pattern of an object.
#[derive(Debug, Clone, Copy)]
pub enum Access {
    /// Sequential, or large parts of it.
    Whole,
    /// Small parts at random places.
    Sparse,
}

/// The place and identity of an object.
#[derive(Debug, Clone)]
pub struct Object {
    pub bucket: Arc<Bucket>,
    pub key: Path,
    pub size: u64,
    pub tag: Option<String>,
}

type Fetching = JoinHandle<Result<Bytes, String>>;

/// The most recently read blocks of an object by number, and the next block to read ahead if access is sequential.
#[derive(Debug, Default)]
struct Kept {
    blocks: VecDeque<(u64, Bytes)>,
    ahead: Option<(u64, Fetching)>,
}

/// An object read in blocks. Clones share the cache.
#[derive(Debug, Clone)]
pub struct Blocks {
    object: Arc<Object>,
    /// Size of a block in bytes.
    block: u64,
    kept: Arc<Mutex<Kept>>,
}

impl Blocks {
    pub fn new(object: Object, access: Access) -> Self {
        Self {
            object: Arc::new(object),
            block: match access {
                Access::Whole => LARGE,
                Access::Sparse => SMALL,
            },
            kept: Arc::default(),
        }
    }

    pub fn size(&self) -> u64 {
        self.object.size
    }

    /// Bytes from a place on; at least one byte, except at the end.
    pub fn at(&self, place: u64) -> io::Result<Bytes> {
        if place >= self.object.size {
            return Ok(Bytes::new());
        }
        let number = place / self.block;
        let block = self.number(number)?;
        let within = usize::try_from(place % self.block).unwrap_or(usize::MAX);
        if within >= block.len() {
            return Err(io::Error::new(
                io::ErrorKind::UnexpectedEof,
                "the store sent fewer bytes than announced",
            ));
        }
        Ok(block.slice(within..))
    }

    /// `length` bytes from `place` on.
    pub fn exactly(&self, place: u64, length: usize) -> io::Result<Bytes> {
        let first = self.at(place)?;
        if first.len() >= length {
            return Ok(first.slice(..length));
        }
        let mut bytes = Vec::with_capacity(length.min(16 << 20));
        bytes.extend_from_slice(&first);
        while bytes.len() < length {
            let next = self.at(place + bytes.len() as u64)?;
            if next.is_empty() {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            let wanted = next.len().min(length - bytes.len());
            bytes.extend_from_slice(next.get(..wanted).unwrap_or_default());
        }
        Ok(bytes.into())
    }

    fn number(&self, number: u64) -> io::Result<Bytes> {
        // A panic in another thread leaves the cache consistent, because blocks are inserted as a whole.
        let mut kept = self.kept.lock();
        if let Some((_, bytes)) = kept.blocks.iter().find(|(there, _)| *there == number) {
            return Ok(bytes.clone());
        }
        let handle = handle().map_err(io::Error::other)?;
        let fetching = match kept.ahead.take() {
            Some((there, fetching)) if there == number => fetching,
            other => {
                if let Some((_, unwanted)) = other {
                    unwanted.abort();
                }
                self.fetch(number)?
            }
        };
        // Two consecutive blocks: the third is likely to be next.
        let follows = number > 0 && kept.blocks.iter().any(|(there, _)| *there == number - 1);
        if follows && (number + 1) * self.block < self.object.size {
            kept.ahead = Some((number + 1, self.fetch(number + 1)?));
        }
        let bytes = handle
            .block_on(fetching)
            .map_err(io::Error::other)?
            .map_err(io::Error::other)?;
        kept.blocks.push_back((number, bytes.clone()));
        if kept.blocks.len() > KEPT {
            kept.blocks.pop_front();
        }
        Ok(bytes)
    }

    fn fetch(&self, number: u64) -> io::Result<Fetching> {
        let object = self.object.clone();
        let start = number * self.block;
        let range = GetRange::Bounded(start..(start + self.block).min(object.size));
        let handle = handle().map_err(io::Error::other)?;
        Ok(handle.spawn(async move {
            let read = object
                .bucket
                .read(&object.key, object.tag.as_deref(), Some(range));
            read.await
        }))
    }
}

/// A position in an object for sequential reading.
#[derive(Debug)]
pub struct Cursor {
    blocks: Blocks,
    place: u64,
}

impl Cursor {
    pub fn new(blocks: Blocks, place: u64) -> Self {
        Self { blocks, place }
    }
}

impl Read for Cursor {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let bytes = self.blocks.at(self.place)?;
        let count = bytes.len().min(buffer.len());
        if let (Some(to), Some(from)) = (buffer.get_mut(..count), bytes.get(..count)) {
            to.copy_from_slice(from);
        }
        self.place += count as u64;
        Ok(count)
    }
}

impl Seek for Cursor {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let place = match to {
            SeekFrom::Start(place) => Some(place),
            SeekFrom::End(by) => self.blocks.size().checked_add_signed(by),
            SeekFrom::Current(by) => self.place.checked_add_signed(by),
        };
        self.place = place.ok_or(io::ErrorKind::InvalidInput)?;
        Ok(self.place)
    }
}
