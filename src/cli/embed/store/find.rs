//! Files and objects that the command line names, or that lie below what it names.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, anyhow, bail};
use object_store::path::Path as Key;

use super::blob::Blob;
use super::bucket::Bucket;
use super::walked::Walked;
use super::{Place, Stores};
use crate::cli::embed::sources::files;

/// The named files and objects, and those below the named folders and prefixes that have the ending, in the order of their
/// names. Their names are in memory, and nothing else of them.
///
/// # Errors
/// If a name is not there, or there is no such file below it.
pub fn find(named: &[PathBuf], ending: &str, stores: &mut Stores) -> anyhow::Result<Vec<Blob>> {
    let mut found = Vec::new();
    for path in named {
        match stores.place(path)? {
            Place::Local(path) => {
                for input in files::find(&[path], ending)? {
                    let metadata = std::fs::metadata(&input.path)
                        .with_context(|| format!("cannot read {}", input.path.display()))?;
                    found.push(Blob::file(input.path, input.name, &metadata));
                }
            }
            Place::Bucket(bucket, key) => below(&bucket, &key, ending, &mut found)?,
        }
    }
    Ok(found)
}

/// One file or object.
///
/// # Errors
/// If it is not there.
pub fn one(named: &Path, stores: &mut Stores) -> anyhow::Result<Blob> {
    match stores.place(named)? {
        Place::Local(path) => {
            let failed = || format!("cannot read {}", path.display());
            // Opened too: what may not be read should be told of before a model is loaded.
            let metadata = std::fs::File::open(&path)
                .and_then(|file| file.metadata())
                .with_context(failed)?;
            let name = path.file_name().unwrap_or(path.as_os_str());
            let name = name.to_string_lossy().into_owned();
            Ok(Blob::file(path, name, &metadata))
        }
        Place::Bucket(bucket, key) => {
            let found = bucket
                .wait(bucket.look(&key))?
                .map_err(|why| anyhow!(why))?;
            let found =
                found.with_context(|| format!("there is no object {}", bucket.shown(&key)))?;
            let name = key.filename().unwrap_or_default().to_owned();
            Ok(Blob::object(bucket, name, found))
        }
    }
}

fn below(
    bucket: &Arc<Bucket>,
    key: &Key,
    ending: &str,
    found: &mut Vec<Blob>,
) -> anyhow::Result<()> {
    if key
        .extension()
        .is_some_and(|it| it.eq_ignore_ascii_case(ending))
    {
        let object = bucket.wait(bucket.look(key))?.map_err(|why| anyhow!(why))?;
        if let Some(object) = object {
            let name = key.filename().unwrap_or_default().to_owned();
            found.push(Blob::object(bucket.clone(), name, object));
            return Ok(());
        }
    }
    let before = found.len();
    for blob in Walked::new(bucket.clone(), key.clone()) {
        let blob = blob.map_err(|why| anyhow!(why))?;
        let (_, its_own) = blob.name.rsplit_once('.').unwrap_or_default();
        if its_own.eq_ignore_ascii_case(ending) {
            found.push(blob);
        }
    }
    if found.len() == before {
        bail!("there is no .{ending} object below {}", bucket.shown(key));
    }
    Ok(())
}
