//! Image files below a folder or below a prefix of a bucket: each file is an item, and its id is the path below it.

use std::convert::Infallible;

use anyhow::{Context, anyhow};

use super::{Feed, Source};
use crate::cli::embed::item::{Content, Item, Kind};
use crate::cli::embed::shard::Owner;
use crate::cli::embed::survey::Survey;
use crate::dataset::pipeline::Closed;
use crate::dataset::store::{Blob, Listed, Place, Walked};
use crate::dataset::walk::{Step, Unreadable, walk};

/// A folder of images. Hidden files are left out and counted. Every other file counts as an image, so that a wrong name or
/// broken content is reported, not skipped. The names of the current folder and of its parents are in memory; for a bucket,
/// those of one response.
#[derive(Debug)]
pub struct Folder(Place);

/// An entry of it.
enum Entry {
    Image(Blob),
    Hidden(String),
    Unreadable(Unreadable),
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
                let mut found = Walked::new(bucket.clone(), prefix.clone());
                let first = found.find(|one| !matches!(one, Ok(Listed::Hidden(_))));
                first
                    .with_context(|| format!("there is no object below {}", place.shown()))?
                    .map_err(|why| anyhow!(why))?;
            }
        }
        Ok(Self(place))
    }

    fn visit<E>(&self, visit: &mut impl FnMut(Entry) -> Result<(), E>) -> Result<(), E> {
        match &self.0 {
            Place::Local(path) => walk(path, &mut |step| {
                visit(match step {
                    Step::File {
                        path,
                        name,
                        metadata,
                    } => Entry::Image(Blob::file(path, name, &metadata)),
                    Step::Hidden { name } => Entry::Hidden(name),
                    Step::Unreadable(unreadable) => Entry::Unreadable(unreadable),
                })
            }),
            Place::Bucket(bucket, prefix) => {
                let mut found = Walked::new(bucket.clone(), prefix.clone());
                found.try_for_each(|listed| {
                    visit(match listed {
                        Ok(Listed::Object(blob)) => Entry::Image(blob),
                        Ok(Listed::Hidden(name)) => Entry::Hidden(name),
                        Err(reason) => Entry::Unreadable(Unreadable {
                            name: self.0.shown(),
                            kind: "folder",
                            reason,
                        }),
                    })
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
            Entry::Image(blob) => {
                survey.file(&blob);
                Ok(())
            }
            Entry::Unreadable(unreadable) if is_remote => Err(anyhow!(unreadable.reason)),
            // Listed or counted when it is read.
            Entry::Unreadable(_) | Entry::Hidden(_) => Ok(()),
        })
    }

    fn read(&self, feed: &mut Feed) -> Result<(), Closed> {
        self.visit(&mut |found| {
            // An inaccessible file has no size: it belongs to the shard in whose part it would begin.
            let bytes = match &found {
                Entry::Image(blob) => blob.size,
                Entry::Hidden(_) | Entry::Unreadable(_) => 0,
            };
            match feed.file(bytes) {
                Owner::Later => return Ok(()),
                Owner::Earlier if feed.is_alone() => return Ok(()),
                Owner::Earlier | Owner::This => {}
            }
            match found {
                Entry::Image(blob) => {
                    if feed.wants(Kind::Image, &blob.name)? {
                        let id = blob.name.clone();
                        let content = Content::Blob(blob);
                        feed.item(Item { id, content })?;
                    }
                    Ok(())
                }
                Entry::Hidden(name) => {
                    feed.leave_out(&name);
                    Ok(())
                }
                Entry::Unreadable(Unreadable { name, kind, reason }) => {
                    // By its name it counts as an image, like every file here.
                    let kind = if kind == "file" {
                        Kind::Image.name()
                    } else {
                        kind
                    };
                    feed.broken(name, kind, reason)
                }
            }
        })
    }

    fn total(&self) -> Option<u64> {
        let Place::Local(path) = &self.0 else {
            return None;
        };
        let mut files = 0;
        let Ok(()) = walk(path, &mut |step| {
            files += u64::from(matches!(step, Step::File { .. }));
            Ok::<_, Infallible>(())
        });
        Some(files)
    }
}
