//! Image files below a folder, or below a prefix of a bucket: a file an item, its id the path below it.

use std::path::{Path, PathBuf};

use anyhow::{Context, anyhow};

use super::files::{entries, joined};
use super::{Closed, Feed, Source};
use crate::cli::embed::item::{Content, Item, Kind};
use crate::cli::embed::shard::Turn;
use crate::cli::embed::store::{Blob, Place, Walked};
use crate::cli::embed::survey::Survey;

/// A folder of images. Hidden files are left out; every other file counts as an image, so that one with a wrong name or
/// broken content is reported and not passed over. The names of one folder, and of those that it is in, are in memory at a
/// time; of a bucket, those of one of its answers.
#[derive(Debug)]
pub struct Folder(Place);

/// A part of a folder that cannot be looked at.
struct Unreadable {
    id: String,
    kind: &'static str,
    reason: String,
}

impl Folder {
    /// # Errors
    /// If the folder cannot be read, or there is nothing below the prefix.
    pub fn open(place: Place) -> anyhow::Result<Self> {
        match &place {
            Place::Local(path) => {
                std::fs::read_dir(path)
                    .with_context(|| format!("cannot read {}", path.display()))?;
            }
            Place::Bucket(bucket, prefix) => {
                let first = Walked::new(bucket.clone(), prefix.clone()).next();
                first
                    .with_context(|| format!("there is no object below {}", place.shown()))?
                    .map_err(|why| anyhow!(why))?;
            }
        }
        Ok(Self(place))
    }

    fn visit<E>(
        &self,
        visit: &mut impl FnMut(Result<Blob, Unreadable>) -> Result<(), E>,
    ) -> Result<(), E> {
        match &self.0 {
            Place::Local(path) => walk(path, "", visit),
            Place::Bucket(bucket, prefix) => {
                let mut found = Walked::new(bucket.clone(), prefix.clone());
                found.try_for_each(|blob| {
                    visit(blob.map_err(|reason| Unreadable {
                        id: self.0.shown(),
                        kind: "folder",
                        reason,
                    }))
                })
            }
        }
    }
}

impl Source for Folder {
    fn survey(&self, survey: &mut Survey) -> anyhow::Result<()> {
        survey.source("images");
        let is_remote = matches!(self.0, Place::Bucket(..));
        self.visit(&mut |found| match found {
            Ok(blob) => {
                survey.file(&blob);
                Ok(())
            }
            Err(unreadable) if is_remote => Err(anyhow!(unreadable.reason)),
            // Listed when it is read.
            Err(_) => Ok(()),
        })
    }

    fn read(&self, feed: &mut Feed) -> Result<(), Closed> {
        self.visit(&mut |found| {
            // What cannot be looked at has no size: it is the shard's in whose piece it would begin.
            let bytes = found.as_ref().map_or(0, |blob| blob.size);
            match feed.file(bytes) {
                Turn::After => return Ok(()),
                Turn::Before if feed.is_alone() => return Ok(()),
                Turn::Before | Turn::Mine => {}
            }
            match found {
                Ok(blob) => {
                    if feed.wants(Kind::Image, &blob.name)? {
                        let id = blob.name.clone();
                        let content = Content::Blob(blob);
                        feed.item(Item { id, content })?;
                    }
                    Ok(())
                }
                Err(Unreadable { id, kind, reason }) => feed.broken(id, kind, reason),
            }
        })
    }

    fn total(&self) -> Option<u64> {
        match &self.0 {
            Place::Local(path) => count(path),
            Place::Bucket(..) => None,
        }
    }
}

fn walk<E>(
    folder: &Path,
    below: &str,
    visit: &mut impl FnMut(Result<Blob, Unreadable>) -> Result<(), E>,
) -> Result<(), E> {
    let found = match entries(folder) {
        Ok(found) => found,
        Err(error) => {
            return visit(Err(Unreadable {
                id: below.to_owned(),
                kind: "folder",
                reason: format!("{error:#}"),
            }));
        }
    };
    for (entry, name) in found {
        let (path, id): (PathBuf, _) = (entry.path(), joined(below, &name));
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            walk(&path, &id, visit)?;
            continue;
        }
        // Follows links, to files only: one to a folder might lead round in a circle.
        match std::fs::metadata(&path) {
            Ok(metadata) if !metadata.is_file() => {}
            Ok(metadata) => visit(Ok(Blob::file(path, id, &metadata)))?,
            Err(error) => visit(Err(Unreadable {
                id,
                kind: Kind::Image.name(),
                reason: format!("cannot be read: {error}"),
            }))?,
        }
    }
    Ok(())
}

/// Entries that are no folders.
fn count(folder: &Path) -> Option<u64> {
    let mut files = 0;
    for entry in std::fs::read_dir(folder).ok()? {
        let entry = entry.ok()?;
        if entry.file_name().to_string_lossy().starts_with('.') {
            continue;
        }
        let is_folder = entry.file_type().is_ok_and(|kind| kind.is_dir());
        files += if is_folder { count(&entry.path())? } else { 1 };
    }
    Some(files)
}
