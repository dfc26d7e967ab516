//! Webdataset tars: members of one name belong together, and the ending says what each of them is.

use std::io::Read;

use bytes::Bytes;
use tar::{Archive, Entry};

use super::asides::is_aside;
use super::files::Listing;
use super::unpacked::Unpacked;
use super::{Closed, Feed, MostBytes, Source};
use crate::byte_order_mark;
use crate::cli::embed::item::{Content, Item, Kind};
use crate::cli::embed::shard::Turn;
use crate::cli::embed::store::Blob;
use crate::cli::embed::survey::Survey;

/// Endings of tars, compressed ones too.
pub const ENDINGS: [&str; 3] = ["tar", "tar.gz", "tgz"];

/// Endings of images. The last ones cannot be decoded, and are listed so.
const IMAGES: [&str; 12] = [
    "jpg", "jpeg", "png", "webp", "gif", "bmp", "tif", "tiff", "avif", "heic", "jxl", "jp2",
];

/// Tars.
#[derive(Debug)]
pub struct Tars {
    listing: Listing<Blob>,
    most: MostBytes,
}

impl Tars {
    pub fn new(listing: Listing<Blob>, most: MostBytes) -> Self {
        Self { listing, most }
    }

    fn read_tar(&self, input: &Blob, feed: &mut Feed) -> Result<(), Closed> {
        let mut archive = match input.open().and_then(Unpacked::new) {
            Ok(file) => Archive::new(file),
            Err(error) => return feed.broken(&input.name, "tar", error.to_string()),
        };
        let entries = match archive.entries_with_seek() {
            Ok(entries) => entries,
            Err(error) => return feed.broken(&input.name, "tar", error.to_string()),
        };
        let mut is_cut = false;
        for entry in entries {
            match entry {
                Ok(entry) => is_cut = self.read_member(entry, feed)?,
                // Where the next member begins is unknown.
                Err(error) => {
                    let reason = format!("what follows cannot be read: {error}");
                    return feed.broken(&input.name, "tar", reason);
                }
            }
        }
        if !is_cut && !archive.into_inner().is_at_end() {
            let reason = "is cut short: members may be missing; what is there is embedded";
            return feed.broken(&input.name, "tar", reason);
        }
        Ok(())
    }

    /// Reads a member, and says whether the tar ends within it.
    fn read_member(&self, entry: Entry<'_, impl Read>, feed: &mut Feed) -> Result<bool, Closed> {
        let header = entry.header().entry_type();
        let path = String::from_utf8_lossy(&entry.path_bytes()).into_owned();
        let path = path.strip_prefix("./").unwrap_or(&path);
        if header.is_dir() || header.is_pax_global_extensions() {
            return Ok(false);
        }
        let Some((id, kind)) = item(path) else {
            if is_aside(path) {
                feed.aside(path);
            } else {
                let reason = "its ending is none of an image or text, so it is not read";
                feed.broken(path, "member", reason)?;
            }
            return Ok(false);
        };
        if !(header.is_file() || header.is_contiguous()) {
            let reason = "the member is a link or something else that has no content of its own";
            feed.broken(id, kind.name(), reason)?;
            return Ok(false);
        }
        if !feed.wants(kind, id)? {
            return Ok(false);
        }
        let most = match kind {
            Kind::Image => self.most.image,
            Kind::Text => self.most.text,
        };
        match content(entry, kind, most) {
            Ok(Content::Text(text)) if text.is_empty() => feed.empty(),
            Ok(content) => feed.item(Item {
                id: id.to_owned(),
                content,
            })?,
            Err(fault) => {
                let is_cut = matches!(fault, Fault::Cut { .. });
                feed.broken(id, kind.name(), fault.to_string())?;
                return Ok(is_cut);
            }
        }
        Ok(false)
    }
}

impl Source for Tars {
    fn survey(&self, survey: &mut Survey) -> anyhow::Result<()> {
        survey.source("tars");
        self.listing.survey(survey);
        Ok(())
    }

    /// A tar belongs to one shard: where its members begin, only a way through it from the beginning tells.
    fn read(&self, feed: &mut Feed) -> Result<(), Closed> {
        for file in &self.listing.files {
            match feed.file(file.size) {
                Turn::Mine => self.read_tar(file, feed)?,
                // Names alone cannot be had of a store: every worker would fetch all tars.
                Turn::Before if file.is_remote() => {}
                Turn::Before => self.read_tar(file, feed)?,
                Turn::After => {}
            }
        }
        self.listing.tell_others(feed, &ENDINGS)
    }

    /// Only a look at every member would tell.
    fn total(&self) -> Option<u64> {
        None
    }
}

/// Id and kind of a member that is an item. The id is the path up to the last dot of the file's name: where the name has one
/// dot, that is webdataset's key; where it has several, `img.001.jpg` and `img.002.jpg` stay two.
fn item(path: &str) -> Option<(&str, Kind)> {
    let (id, ending) = path.rsplit_once('.')?;
    let name = path.rsplit('/').next()?;
    if name.starts_with('.') {
        return None;
    }
    let is = |known: &&str| ending.eq_ignore_ascii_case(known);
    let kind = match ending {
        _ if IMAGES.iter().any(is) => Kind::Image,
        _ if is(&"txt") => Kind::Text,
        _ => return None,
    };
    Some((id, kind))
}

/// Why a member cannot be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Fault {
    #[error("the file has {size} bytes and at most {most} are accepted")]
    TooLarge { size: u64, most: u64 },
    #[error("the tar ends after {found} of its {size} bytes")]
    Cut { found: usize, size: u64 },
    #[error("cannot be read: {0}")]
    Unreadable(#[from] std::io::Error),
    #[error("the text is not UTF-8")]
    NotUtf8,
}

/// Reads a member, unless it has more than `most` bytes.
pub(crate) fn bytes(mut entry: Entry<'_, impl Read>, most: u64) -> Result<Vec<u8>, Fault> {
    let size = entry.size();
    if size > most {
        return Err(Fault::TooLarge { size, most });
    }
    let mut bytes = Vec::with_capacity(usize::try_from(size.min(most)).unwrap_or(0));
    entry.read_to_end(&mut bytes)?;
    if (bytes.len() as u64) < size {
        let found = bytes.len();
        return Err(Fault::Cut { found, size });
    }
    Ok(bytes)
}

/// Reads a member as what it is. Texts lose the space around them: most end with a new line.
fn content(entry: Entry<'_, impl Read>, kind: Kind, most: usize) -> Result<Content, Fault> {
    let bytes = bytes(entry, most as u64)?;
    match kind {
        Kind::Image => Ok(Content::Image(Bytes::from(bytes))),
        Kind::Text => match std::str::from_utf8(byte_order_mark::dropped(&bytes)) {
            Ok(text) => Ok(Content::Text(text.trim().to_owned())),
            Err(_) => Err(Fault::NotUtf8),
        },
    }
}
