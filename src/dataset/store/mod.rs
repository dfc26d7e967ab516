//! Places of inputs and outputs: local files, or an object store that speaks S3.
//!
//! Sources see a [`Blob`]: a name, a size, a version that identifies its content, and random-access reading.

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
pub use self::bucket::{Bucket, Patience};
pub use self::failure::Faults;
pub use self::find::{find, one};
pub use self::walked::{Listed, Walked};

/// A place named on the command line.
#[derive(Debug, Clone)]
pub enum Place {
    /// A local path.
    Local(PathBuf),
    /// A bucket, and an object's key or key prefix in it.
    Bucket(Arc<Bucket>, object_store::path::Path),
}

/// The object stores of this run. Settings and credentials come from the environment, AWS_….
#[derive(Debug)]
pub struct Stores {
    buckets: HashMap<String, Arc<Bucket>>,
    faults: Faults,
    patience: Patience,
}

impl Stores {
    /// None yet.
    pub fn new(patience: Patience) -> Self {
        Self {
            buckets: HashMap::new(),
            faults: Faults::default(),
            patience,
        }
    }

    /// Parses a path or URL.
    ///
    /// # Errors
    /// If it is a URL of an unsupported kind, or if the environment's settings contradict each other.
    pub fn place(&mut self, named: &Path) -> anyhow::Result<Place> {
        let Some(text) = named.to_str().filter(|text| text.contains("://")) else {
            return Ok(Place::Local(named.to_owned()));
        };
        let url = Url::parse(text).with_context(|| format!("{text} is not a URL"))?;
        match url.scheme() {
            "file" => match url.to_file_path() {
                Ok(path) => Ok(Place::Local(path)),
                Err(()) => bail!("{text} is not a local path; write file:///PATH"),
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

    /// The failure of an object store in this run, if there is one.
    pub fn faults(&self) -> Faults {
        self.faults.clone()
    }

    fn bucket(&mut self, name: &str) -> anyhow::Result<Arc<Bucket>> {
        if let Some(bucket) = self.buckets.get(name) {
            return Ok(bucket.clone());
        }
        let bucket = Arc::new(Bucket::open(name, self.faults.clone(), self.patience)?);
        self.buckets.insert(name.to_owned(), bucket.clone());
        Ok(bucket)
    }
}

impl Place {
    /// The place as a path or URL.
    pub fn shown(&self) -> String {
        match self {
            Self::Local(path) => path.display().to_string(),
            Self::Bucket(bucket, key) => bucket.shown(key),
        }
    }
}
