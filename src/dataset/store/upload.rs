//! Uploads a file as an object, atomically.

use std::io::Read;
use std::path::Path;

use anyhow::{Context, anyhow};
use bytes::Bytes;
use object_store::path::Path as Key;
use object_store::{ObjectStoreExt, WriteMultipart};

use super::bucket::Bucket;

/// Bytes of a part of an upload: a store takes up to 10,000 parts.
const PART: u64 = 8 << 20;
const MOST_PARTS: u64 = 9_000;
/// Number of parts in flight, and so in memory.
const AT_A_TIME: usize = 3;

impl Bucket {
    /// Uploads a file as an object. The object appears when the last request is answered, and an existing one of this name
    /// stays until then.
    ///
    /// # Errors
    /// If the file cannot be read or the store does not accept it.
    pub fn upload(&self, file: &Path, key: &Key) -> anyhow::Result<()> {
        let failed = || format!("cannot read {}", file.display());
        let mut opened = std::fs::File::open(file).with_context(failed)?;
        let size = opened.metadata().with_context(failed)?.len();
        if size <= PART {
            let mut bytes = Vec::new();
            opened.read_to_end(&mut bytes).with_context(failed)?;
            let put = self.wait(self.store.put(key, Bytes::from(bytes).into()))?;
            return put.map(drop).map_err(|error| self.not_put(&error, key));
        }
        let part = usize::try_from(PART.max(size.div_ceil(MOST_PARTS)))?;
        let put = self.wait(async {
            let upload = self.store.put_multipart(key).await?;
            let mut upload = WriteMultipart::new_with_chunk_size(upload, part);
            match send(&mut opened, &mut upload, part).await {
                Ok(()) => upload.finish().await.map(Ok),
                Err(error) => {
                    // Otherwise the uploaded parts would cost money until the bucket's own rules remove them.
                    let _ = upload.abort().await;
                    match error {
                        Trouble::Store(error) => Err(error),
                        Trouble::File(error) => Ok(Err(error)),
                    }
                }
            }
        })?;
        put.map_err(|error| self.not_put(&error, key))?
            .map(drop)
            .with_context(failed)
    }

    fn not_put(&self, error: &object_store::Error, key: &Key) -> anyhow::Error {
        anyhow!(self.failed(error, key)).context(format!("cannot write {}", self.shown(key)))
    }
}

enum Trouble {
    Store(object_store::Error),
    File(std::io::Error),
}

async fn send(
    file: &mut impl Read,
    upload: &mut WriteMultipart,
    part: usize,
) -> Result<(), Trouble> {
    loop {
        let mut bytes = Vec::with_capacity(part);
        let count = file
            .by_ref()
            .take(part as u64)
            .read_to_end(&mut bytes)
            .map_err(Trouble::File)?;
        if count == 0 {
            return Ok(());
        }
        upload
            .wait_for_capacity(AT_A_TIME)
            .await
            .map_err(Trouble::Store)?;
        upload.put(bytes.into());
    }
}
