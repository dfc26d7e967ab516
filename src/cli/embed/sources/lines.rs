//! Lines of a file: a line an item, its id the line's number from 1.

use std::io::{self, BufRead, BufReader, Read};

use super::{Closed, Feed, Source};
use crate::byte_order_mark;
use crate::cli::embed::item::{Content, Item, Kind};
use crate::cli::embed::shard::Turn;
use crate::cli::embed::store::Blob;
use crate::cli::embed::survey::Survey;

/// A file of texts.
#[derive(Debug)]
pub struct Lines {
    file: Blob,
    most_bytes: usize,
}

/// One line of it.
struct Line {
    /// Without its end.
    bytes: Vec<u8>,
    /// Not so if it is longer than a text may be, and was cut.
    is_whole: bool,
    /// Bytes that it takes in the file.
    length: u64,
}

impl Lines {
    pub fn new(file: Blob, most_bytes: usize) -> Self {
        Self { file, most_bytes }
    }

    /// The next line, or None at the file's end.
    fn line(&self, reader: &mut impl BufRead) -> io::Result<Option<Line>> {
        let mut line = Vec::new();
        // Room for the line's end too.
        let most = self.most_bytes as u64 + 2;
        let mut length = reader.by_ref().take(most).read_until(b'\n', &mut line)? as u64;
        if length == 0 {
            return Ok(None);
        }
        let is_whole = line.ends_with(b"\n") || length < most;
        if !is_whole {
            length += reader.skip_until(b'\n')? as u64;
        }
        for end in [b'\n', b'\r'] {
            if line.last() == Some(&end) {
                line.pop();
            }
        }
        Ok(Some(Line {
            bytes: line,
            is_whole,
            length,
        }))
    }
}

impl Source for Lines {
    fn survey(&self, survey: &mut Survey) -> anyhow::Result<()> {
        survey.source("texts");
        survey.file(&self.file);
        Ok(())
    }

    /// A shard counts the lines before its own: their number is their id.
    fn read(&self, feed: &mut Feed) -> Result<(), Closed> {
        feed.file(self.file.size);
        let (mut number, mut place) = (0_u64, 0_u64);
        let text = Kind::Text.name();
        let mut reader = match self.file.open() {
            Ok(file) => BufReader::new(file),
            Err(error) => return feed.broken(self.file.shown(), text, error.to_string()),
        };
        loop {
            number += 1;
            let id = number.to_string();
            let turn = feed.at(place);
            let line = match self.line(&mut reader) {
                Ok(Some(line)) => line,
                Ok(None) => return Ok(()),
                Err(error) => return feed.broken(id, text, format!("cannot be read: {error}")),
            };
            place += line.length;
            match turn {
                Turn::After => return Ok(()),
                Turn::Before if feed.is_alone() => continue,
                Turn::Before | Turn::Mine => {}
            }
            let mut bytes = line.bytes;
            if number == 1 {
                byte_order_mark::drop_from(&mut bytes);
            }
            let content = String::from_utf8(bytes);
            if matches!(&content, Ok(line) if line.trim().is_empty()) {
                feed.empty();
                continue;
            }
            if !feed.wants(Kind::Text, &id)? {
                continue;
            }
            match content {
                _ if !line.is_whole => {
                    let most = self.most_bytes;
                    feed.broken(id, text, format!("the line has more than {most} bytes"))?;
                }
                Ok(line) => feed.item(Item {
                    id,
                    content: Content::Text(line),
                })?,
                Err(_) => feed.broken(id, text, "the line is not UTF-8")?,
            }
        }
    }

    fn total(&self) -> Option<u64> {
        if self.file.is_remote() {
            return None;
        }
        let mut reader = BufReader::new(self.file.open().ok()?);
        let mut lines = 0;
        while reader.skip_until(b'\n').ok()? > 0 {
            lines += 1;
        }
        Some(lines)
    }
}
