//! Where inputs lie and outputs go: this machine's files, or an object store that speaks S3.
//!
//! Sources see a [`Blob`]: a name, a size, what tells its content from another one, and means to read it in any order.

mod blob;
mod blocks;
mod bucket;
mod failure;
mod find;
mod upload;
mod walked;

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, bail};
use url::Url;

pub use self::blob::{Blob, Chunks, Readable};
pub use self::blocks::Access;
pub use self::bucket::Bucket;
pub use self::failure::Faults;
pub use self::find::{find, one};
pub use self::walked::{Listed, Walked};

/// A place that the command line names.
#[derive(Debug, Clone)]
pub enum Place {
    /// A path of this machine.
    Local(PathBuf),
    /// A bucket, and an object's key in it or what keys begin with.
    Bucket(Arc<Bucket>, object_store::path::Path),
}

/// The object stores that this run talks to; settings and credentials come from the environment, AWS_….
#[derive(Debug, Default)]
pub struct Stores {
    buckets: HashMap<String, Arc<Bucket>>,
    faults: Faults,
}

impl Stores {
    /// What a path or URL means.
    ///
    /// # Errors
    /// If it is a URL of another kind, or the environment's settings do not go together.
    pub fn place(&mut self, named: &Path) -> anyhow::Result<Place> {
        let Some(text) = named.to_str().filter(|text| text.contains("://")) else {
            return Ok(Place::Local(named.to_owned()));
        };
        let url = Url::parse(text).with_context(|| format!("{text} is not a URL"))?;
        match url.scheme() {
            "file" => match url.to_file_path() {
                Ok(path) => Ok(Place::Local(path)),
                Err(()) => bail!("{text} is not a path of this machine; write file:///PATH"),
            },
            "s3" | "s3a" => {
                let name = url
                    .host_str()
                    .filter(|name| !name.is_empty())
                    .with_context(|| format!("{text} names no bucket; write s3://BUCKET/PATH"))?;
                let key = object_store::path::Path::from_url_path(url.path())
                    .with_context(|| format!("{text} is not a path in a bucket"))?;
                Ok(Place::Bucket(self.bucket(name)?, key))
            }
            other => bail!(
                "{text}: {other}:// is not supported; paths, file:///PATH and s3://BUCKET/PATH are"
            ),
        }
    }

    /// What went wrong with object stores in this run, reported by whoever found it.
    pub fn faults(&self) -> Faults {
        self.faults.clone()
    }

    fn bucket(&mut self, name: &str) -> anyhow::Result<Arc<Bucket>> {
        if let Some(bucket) = self.buckets.get(name) {
            return Ok(bucket.clone());
        }
        let bucket = Arc::new(Bucket::open(name, self.faults.clone())?);
        self.buckets.insert(name.to_owned(), bucket.clone());
        Ok(bucket)
    }
}

impl Place {
    /// As a reader would write it.
    pub fn shown(&self) -> String {
        match self {
            Self::Local(path) => path.display().to_string(),
            Self::Bucket(bucket, key) => bucket.shown(key),
        }
    }
}
