//! Webdataset tars: members of one name belong together, and the ending says what each of them is.

use std::io::{self, Read, Seek};

use bytes::Bytes;
use tar::{Archive, Entry};

use super::{Closed, Feed, MostBytes, Source};
use crate::cli::embed::item::{Content, Item, Kind};
use crate::cli::embed::shard::Turn;
use crate::cli::embed::store::Blob;
use crate::cli::embed::survey::Survey;

/// Tars.
#[derive(Debug)]
pub struct Tars {
    files: Vec<Blob>,
    most: MostBytes,
}

impl Tars {
    pub fn new(files: Vec<Blob>, most: MostBytes) -> Self {
        Self { files, most }
    }

    fn read_tar(&self, input: &Blob, feed: &mut Feed) -> Result<(), Closed> {
        let mut archive = match input.open().and_then(unpacked) {
            Ok(file) => Archive::new(file),
            Err(error) => return feed.broken(&input.name, "tar", error.to_string()),
        };
        let entries = match archive.entries_with_seek() {
            Ok(entries) => entries,
            Err(error) => return feed.broken(&input.name, "tar", error.to_string()),
        };
        for entry in entries {
            match entry {
                Ok(entry) => self.read_member(entry, feed)?,
                // Where the next member begins is unknown.
                Err(error) => {
                    let reason = format!("what follows cannot be read: {error}");
                    return feed.broken(&input.name, "tar", reason);
                }
            }
        }
        Ok(())
    }

    fn read_member(&self, entry: Entry<'_, impl Read>, feed: &mut Feed) -> Result<(), Closed> {
        let kind = entry.header().entry_type();
        let path = String::from_utf8_lossy(&entry.path_bytes()).into_owned();
        let Some((id, kind)) = sample(&path).filter(|_| kind.is_file() || kind.is_contiguous())
        else {
            return Ok(());
        };
        if !feed.wants(kind, id)? {
            return Ok(());
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
            Err(reason) => feed.broken(id, kind.name(), reason)?,
        }
        Ok(())
    }
}

impl Source for Tars {
    fn survey(&self, survey: &mut Survey) -> anyhow::Result<()> {
        survey.source("tars");
        self.files.iter().for_each(|file| survey.file(file));
        Ok(())
    }

    /// A tar belongs to one shard: where its members begin, only a way through it from the beginning tells.
    fn read(&self, feed: &mut Feed) -> Result<(), Closed> {
        for file in &self.files {
            match feed.file(file.size) {
                Turn::Mine => self.read_tar(file, feed)?,
                // Names alone cannot be had of a store: every worker would fetch all tars.
                Turn::Before if file.is_remote() => {}
                Turn::Before => self.read_tar(file, feed)?,
                Turn::After => {}
            }
        }
        Ok(())
    }

    /// Only a look at every member would tell.
    fn total(&self) -> Option<u64> {
        None
    }
}

/// A tar that has been opened; says what to do with a compressed one.
pub(crate) fn unpacked<T: Read + Seek>(mut file: T) -> io::Result<T> {
    let mut start = Vec::new();
    file.by_ref().take(2).read_to_end(&mut start)?;
    file.rewind()?;
    match start[..] {
        [0x1f, 0x8b] => Err(io::Error::other(
            "the tar is compressed by gzip; unpack it with gunzip",
        )),
        _ => Ok(file),
    }
}

/// Key and ending of a member, as webdataset has it: the key is the path up to the first dot of the file's name. Hidden members
/// have none.
pub(crate) fn member(path: &str) -> Option<(&str, &str)> {
    let path = path.strip_prefix("./").unwrap_or(path);
    let name = path.rfind('/').map_or(0, |slash| slash + 1);
    let dot = name + path.get(name..)?.find('.').filter(|dot| *dot > 0)?;
    Some((path.get(..dot)?, path.get(dot + 1..)?))
}

/// Key and kind of a member that has an ending of ours.
fn sample(path: &str) -> Option<(&str, Kind)> {
    let (key, ending) = member(path)?;
    let kind = match ending.to_ascii_lowercase().as_str() {
        "jpg" | "jpeg" | "png" | "webp" => Kind::Image,
        "txt" => Kind::Text,
        _ => return None,
    };
    Some((key, kind))
}

/// Reads a member, unless it has more than `most` bytes.
pub(crate) fn bytes(mut entry: Entry<'_, impl Read>, most: u64) -> Result<Vec<u8>, String> {
    let size = entry.size();
    if size > most {
        return Err(format!(
            "the file has {size} bytes and at most {most} are accepted"
        ));
    }
    let mut bytes = Vec::with_capacity(usize::try_from(size.min(most)).unwrap_or(0));
    entry
        .read_to_end(&mut bytes)
        .map_err(|error| format!("cannot be read: {error}"))?;
    if (bytes.len() as u64) < size {
        let found = bytes.len();
        return Err(format!("the tar ends after {found} of its {size} bytes"));
    }
    Ok(bytes)
}

/// Reads a member as what it is. Texts lose the space around them: most end with a new line.
fn content(entry: Entry<'_, impl Read>, kind: Kind, most: usize) -> Result<Content, String> {
    let bytes = bytes(entry, most as u64)?;
    match kind {
        Kind::Image => Ok(Content::Image(Bytes::from(bytes))),
        Kind::Text => match std::str::from_utf8(&bytes) {
            Ok(text) => Ok(Content::Text(text.trim().to_owned())),
            Err(_) => Err("the text is not UTF-8".to_owned()),
        },
    }
}
