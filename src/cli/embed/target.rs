//! The destination of a shard's output: a file in a folder, or an object below a prefix. Both are written atomically.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, anyhow, bail};
use object_store::path::Path as Key;
use tempfile::TempDir;

use super::output::errors_path;
use super::shard::Shard;
use crate::dataset::store::{Blob, Bucket, Listed, Place, Walked};

/// The destination of one shard's output.
#[derive(Debug)]
pub struct Target {
    shard: Shard,
    at: At,
}

#[derive(Debug)]
enum At {
    Folder(PathBuf),
    Prefix {
        bucket: Arc<Bucket>,
        prefix: Key,
        /// The path of the file before it is uploaded.
        scratch: PathBuf,
        /// Removed at the end, unless `--scratch` named it.
        _temporary: Option<TempDir>,
    },
}

impl Target {
    /// The output of a shard below `out`. `scratch` is the folder for unfinished work if the output goes to a store.
    ///
    /// # Errors
    /// If a folder cannot be created.
    pub fn open(out: Place, shard: Shard, scratch: Option<&Path>) -> anyhow::Result<Self> {
        let made = |folder: &Path| {
            fs::create_dir_all(folder)
                .with_context(|| format!("cannot create the folder {}", folder.display()))
        };
        let at = match out {
            Place::Local(_) if scratch.is_some() => {
                bail!(
                    "--scratch is for an --out in an object store; a local --out keeps unfinished work in its own folder"
                )
            }
            Place::Local(folder) if folder.is_file() => bail!(
                "{} is a file; with --shard, --out names a folder, and each shard writes {} in it",
                folder.display(),
                shard.file_name()
            ),
            Place::Local(folder) => {
                made(&folder)?;
                At::Folder(folder)
            }
            Place::Bucket(bucket, prefix) => {
                let (scratch, _temporary) = match scratch {
                    Some(folder) => (folder.to_owned(), None),
                    None => {
                        let folder = tempfile::Builder::new().prefix("clip-in-embed-").tempdir();
                        let folder = folder.context("cannot create a temporary folder for unfinished work; name one with --scratch")?;
                        (folder.path().to_owned(), Some(folder))
                    }
                };
                made(&scratch)?;
                At::Prefix {
                    bucket,
                    prefix,
                    scratch,
                    _temporary,
                }
            }
        };
        Ok(Self { shard, at })
    }

    /// The file to write.
    pub fn file(&self) -> PathBuf {
        let (At::Folder(folder)
        | At::Prefix {
            scratch: folder, ..
        }) = &self.at;
        folder.join(self.shard.file_name())
    }

    /// The destination, for messages.
    pub fn shown(&self) -> String {
        match &self.at {
            At::Folder(folder) => folder.join(self.shard.file_name()).display().to_string(),
            At::Prefix { bucket, .. } => bucket.shown(&self.key("")),
        }
    }

    /// The state of the destination.
    ///
    /// # Errors
    /// If it cannot be determined.
    pub fn found(&self) -> anyhow::Result<Option<Blob>> {
        match &self.at {
            At::Folder(_) => {
                let path = self.file();
                match fs::metadata(&path) {
                    Ok(metadata) => Ok(Some(Blob::file(path, self.shard.file_name(), &metadata))),
                    Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
                    Err(error) => {
                        Err(error).with_context(|| format!("cannot read {}", path.display()))
                    }
                }
            }
            At::Prefix { bucket, .. } => {
                let found = bucket.wait(bucket.look(&self.key("")))?;
                let found = found.map_err(|why| anyhow!(why))?;
                Ok(
                    found
                        .map(|object| Blob::object(bucket.clone(), self.shard.file_name(), object)),
                )
            }
        }
    }

    /// Refuses a place with outputs of another number of shards: together with these, items would occur twice.
    ///
    /// # Errors
    /// If there are such outputs, or if that cannot be determined.
    pub fn refuse_other_counts(&self) -> anyhow::Result<()> {
        let of = self.shard.of;
        let other = |name: &str| Shard::count_in(name).filter(|found| *found != of);
        let (shown, found) = match &self.at {
            At::Folder(folder) => {
                let entries = fs::read_dir(folder);
                let entries =
                    entries.with_context(|| format!("cannot read {}", folder.display()))?;
                let mut names = entries.flatten().map(|entry| entry.file_name());
                let found = names.find_map(|name| other(&name.to_string_lossy()));
                (folder.display().to_string(), found)
            }
            At::Prefix { bucket, prefix, .. } => {
                let mut found = None;
                for listed in Walked::new(bucket.clone(), prefix.clone()) {
                    if let Listed::Object(blob) = listed.map_err(|why| anyhow!(why))? {
                        found = found.or(other(&blob.name));
                    }
                }
                (bucket.shown(prefix), found)
            }
        };
        match found {
            Some(found) => bail!(
                "{shown} has outputs of a run with {found} shards, and this one has {of}: together they would contain items twice; name another --out, or remove those"
            ),
            None => Ok(()),
        }
    }

    /// Moves the written file to its destination, after the list of items that could not be embedded.
    ///
    /// # Errors
    /// If a store does not accept it. The file stays then if its folder was named.
    pub fn publish(&self) -> anyhow::Result<()> {
        let At::Prefix { bucket, .. } = &self.at else {
            return Ok(());
        };
        let file = self.file();
        let errors = errors_path(&file);
        let list = self.key(".errors.jsonl");
        if errors.exists() {
            bucket.upload(&errors, &list)?;
        } else {
            bucket.remove(&list)?;
        }
        bucket.upload(&file, &self.key(""))?;
        for done in [errors, file] {
            if done.exists() {
                fs::remove_file(&done)
                    .with_context(|| format!("cannot remove {}", done.display()))?;
            }
        }
        Ok(())
    }

    fn key(&self, suffix: &str) -> Key {
        let name = format!("{}{suffix}", self.shard.file_name());
        match &self.at {
            At::Prefix { prefix, .. } => prefix.clone().join(name),
            At::Folder(_) => Key::from(name),
        }
    }
}
