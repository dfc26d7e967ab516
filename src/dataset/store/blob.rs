//! A local file or an object of a store.

use std::fs::{File, Metadata};
use std::io::{self, Read, Seek};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::UNIX_EPOCH;

use bytes::Bytes;
use object_store::ObjectMeta;
use parquet::errors::{ParquetError, Result as ParquetResult};
use parquet::file::reader::{ChunkReader, Length};

use super::blocks::{Access, Blocks, Cursor, Object};
use super::bucket::Bucket;

/// Something to read whose content is not in memory.
#[derive(Debug, Clone)]
pub struct Blob {
    /// Its path below the named folder or prefix, with `/`; its file name if it was named itself.
    pub name: String,
    /// Size in bytes.
    pub size: u64,
    /// Changes with the content: the store's entity tag, or the time of modification.
    pub version: String,
    at: At,
}

#[derive(Debug, Clone)]
enum At {
    File(PathBuf),
    Object(Object),
}

/// The reader for tars and lines.
pub trait Readable: Read + Seek + Send {}
impl<T: Read + Seek + Send> Readable for T {}

impl Blob {
    /// A file with known metadata.
    pub fn file(path: PathBuf, name: String, metadata: &Metadata) -> Self {
        let changed = metadata
            .modified()
            .ok()
            .and_then(|time| time.duration_since(UNIX_EPOCH).ok());
        Self {
            name,
            size: metadata.len(),
            version: changed.map_or_else(String::new, |time| time.as_nanos().to_string()),
            at: At::File(path),
        }
    }

    /// An object with known metadata.
    pub fn object(bucket: Arc<Bucket>, name: String, found: ObjectMeta) -> Self {
        let changed = found.last_modified.to_rfc3339();
        Self {
            name,
            size: found.size,
            version: found.e_tag.clone().unwrap_or(changed),
            at: At::Object(Object {
                bucket,
                key: found.location,
                size: found.size,
                tag: found.e_tag,
            }),
        }
    }

    /// Its path or URL.
    pub fn shown(&self) -> String {
        match &self.at {
            At::File(path) => path.display().to_string(),
            At::Object(object) => object.bucket.shown(&object.key),
        }
    }

    /// Whether reading it costs a request.
    pub fn is_remote(&self) -> bool {
        matches!(self.at, At::Object(_))
    }

    /// Opens it for sequential reading.
    pub fn open(&self) -> io::Result<Box<dyn Readable>> {
        Ok(match &self.at {
            At::File(path) => Box::new(File::open(path)?),
            At::Object(object) => {
                Box::new(Cursor::new(Blocks::new(object.clone(), Access::Whole), 0))
            }
        })
    }

    /// Opens it for a reader of Parquet.
    pub fn chunks(&self, access: Access) -> io::Result<Chunks> {
        Ok(match &self.at {
            At::File(path) => Chunks::File(File::open(path)?),
            At::Object(object) => Chunks::Object(Blocks::new(object.clone(), access)),
        })
    }

    /// Reads all of it.
    ///
    /// # Errors
    /// A description of the error. A failure of a store is also recorded with its failures.
    pub async fn fetch(&self) -> Result<Bytes, String> {
        match &self.at {
            At::File(path) => read_file(path).await,
            At::Object(object) => {
                let bucket = &object.bucket;
                bucket.read(&object.key, object.tag.as_deref(), None).await
            }
        }
    }
}

async fn read_file(path: &Path) -> Result<Bytes, String> {
    let bytes = tokio::fs::read(path).await;
    bytes
        .map(Bytes::from)
        .map_err(|error| format!("cannot be read: {error}"))
}

/// A file or object in the form that a reader of Parquet needs. Clones share the cached blocks.
#[derive(Debug)]
pub enum Chunks {
    File(File),
    Object(Blocks),
}

impl Chunks {
    pub fn try_clone(&self) -> io::Result<Self> {
        Ok(match self {
            Self::File(file) => Self::File(file.try_clone()?),
            Self::Object(blocks) => Self::Object(blocks.clone()),
        })
    }
}

impl Length for Chunks {
    fn len(&self) -> u64 {
        match self {
            Self::File(file) => file.len(),
            Self::Object(blocks) => blocks.size(),
        }
    }
}

impl ChunkReader for Chunks {
    type T = Box<dyn Read + Send>;

    fn get_read(&self, start: u64) -> ParquetResult<Self::T> {
        Ok(match self {
            Self::File(file) => Box::new(file.get_read(start)?),
            Self::Object(blocks) => Box::new(Cursor::new(blocks.clone(), start)),
        })
    }

    fn get_bytes(&self, start: u64, length: usize) -> ParquetResult<Bytes> {
        match self {
            Self::File(file) => file.get_bytes(start, length),
            Self::Object(blocks) => blocks
                .exactly(start, length)
                .map_err(|error| ParquetError::External(Box::new(error))),
        }
    }
}
