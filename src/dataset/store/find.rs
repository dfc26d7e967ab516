//! Finds the files and objects that the command line names, directly or by their folder.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, anyhow, bail};
use object_store::path::Path as Key;

use super::blob::Blob;
use super::bucket::Bucket;
use super::walked::{Listed, Walked};
use super::{Place, Stores};
use crate::dataset::files::{self, Input, Listing, ends_in};

/// The named files and objects, and the files below the named folders and prefixes, selected by their endings and sorted by
/// name. Only their names and metadata are in memory.
///
/// # Errors
/// If a name does not exist, or if it is a folder without a file with one of the endings.
pub fn find(
    named: &[PathBuf],
    endings: &[&str],
    stores: &mut Stores,
) -> anyhow::Result<Listing<Blob>> {
    let mut found = Listing::default();
    let blob = |input: Input| Blob::file(input.path, input.name, &input.metadata);
    for path in named {
        match stores.place(path)? {
            Place::Local(path) => {
                let local = files::find(&[path], endings)?;
                found.files.extend(local.files.into_iter().map(blob));
                found.others.extend(local.others.into_iter().map(blob));
                found.left_out.extend(local.left_out);
                found.unreadable.extend(local.unreadable);
            }
            Place::Bucket(bucket, key) => below(&bucket, &key, endings, &mut found)?,
        }
    }
    Ok(found)
}

/// One file or object.
///
/// # Errors
/// If it does not exist.
pub fn one(named: &Path, stores: &mut Stores) -> anyhow::Result<Blob> {
    match stores.place(named)? {
        Place::Local(path) => {
            let failed = || format!("cannot read {}", path.display());
            // The file is also opened, so that a missing permission is reported before a model is loaded.
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
    endings: &[&str],
    found: &mut Listing<Blob>,
) -> anyhow::Result<()> {
    if key.filename().is_some_and(|name| ends_in(name, endings)) {
        let object = bucket.wait(bucket.look(key))?.map_err(|why| anyhow!(why))?;
        if let Some(object) = object {
            let name = key.filename().unwrap_or_default().to_owned();
            found.files.push(Blob::object(bucket.clone(), name, object));
            return Ok(());
        }
    }
    let before = found.files.len();
    for listed in Walked::new(bucket.clone(), key.clone()) {
        match listed.map_err(|why| anyhow!(why))? {
            Listed::Object(blob) => found.add(&blob.name.clone(), endings, blob),
            Listed::Hidden(name) => found.left_out.push(name),
        }
    }
    if found.files.len() == before {
        let endings = endings.join(" or .");
        bail!("there is no .{endings} object below {}", bucket.shown(key));
    }
    Ok(())
}
