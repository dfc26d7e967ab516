//! Image files below a folder: a file an item, its id the path below the folder.

use std::path::{Path, PathBuf};

use anyhow::Context;

use super::files::{entries, joined};
use super::{Closed, Feed, Source};
use crate::cli::embed::item::{Content, Item, Kind};

/// A folder of images. Hidden files are left out; every other file counts as an image, so that one with a wrong name or
/// broken content is reported and not passed over. The names of one folder, and of those that it is in, are in memory at a
/// time.
#[derive(Debug)]
pub struct Folder(PathBuf);

impl Folder {
    /// # Errors
    /// If the folder cannot be read.
    pub fn open(path: &Path) -> anyhow::Result<Self> {
        std::fs::read_dir(path).with_context(|| format!("cannot read {}", path.display()))?;
        Ok(Self(path.to_owned()))
    }
}

impl Source for Folder {
    fn read(&self, feed: &mut Feed) -> Result<(), Closed> {
        walk(&self.0, "", feed)
    }

    fn total(&self) -> Option<u64> {
        count(&self.0)
    }
}

fn walk(folder: &Path, below: &str, feed: &mut Feed) -> Result<(), Closed> {
    let found = match entries(folder) {
        Ok(found) => found,
        Err(error) => return feed.broken(below, "folder", format!("{error:#}")),
    };
    for (entry, name) in found {
        let (path, id) = (entry.path(), joined(below, &name));
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            walk(&path, &id, feed)?;
            continue;
        }
        // Follows links, to files only: one to a folder might lead round in a circle.
        match std::fs::metadata(&path) {
            Ok(metadata) if !metadata.is_file() => {}
            Ok(metadata) => {
                if feed.wants(Kind::Image, &id)? {
                    let content = Content::File(path, metadata.len());
                    feed.item(Item { id, content })?;
                }
            }
            Err(error) => {
                feed.broken(id, Kind::Image.name(), format!("cannot be read: {error}"))?
            }
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
