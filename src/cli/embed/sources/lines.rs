//! Lines of a file: a line an item, its id the line's number from 1.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::{Path, PathBuf};

use anyhow::Context;

use super::{Closed, Feed, Source};
use crate::cli::embed::item::{Content, Item, Kind};

/// A file of texts.
#[derive(Debug)]
pub struct Lines {
    path: PathBuf,
    most_bytes: usize,
}

impl Lines {
    /// # Errors
    /// If the file cannot be read.
    pub fn open(path: &Path, most_bytes: usize) -> anyhow::Result<Self> {
        File::open(path).with_context(|| format!("cannot read {}", path.display()))?;
        Ok(Self {
            path: path.to_owned(),
            most_bytes,
        })
    }

    /// One line without its end, or None at the file's end; false if it is longer than a text may be, and was cut.
    fn line(&self, reader: &mut impl BufRead) -> io::Result<Option<(Vec<u8>, bool)>> {
        let mut line = Vec::new();
        // Room for the line's end too.
        let most = self.most_bytes as u64 + 2;
        if reader.by_ref().take(most).read_until(b'\n', &mut line)? == 0 {
            return Ok(None);
        }
        let whole = line.ends_with(b"\n") || (line.len() as u64) < most;
        if !whole {
            reader.skip_until(b'\n')?;
        }
        for end in [b'\n', b'\r'] {
            if line.last() == Some(&end) {
                line.pop();
            }
        }
        Ok(Some((line, whole)))
    }
}

impl Source for Lines {
    fn read(&self, feed: &mut Feed) -> Result<(), Closed> {
        let mut number = 0_u64;
        let text = Kind::Text.name();
        let mut reader = match File::open(&self.path) {
            Ok(file) => BufReader::new(file),
            Err(error) => {
                return feed.broken(self.path.display().to_string(), text, error.to_string());
            }
        };
        loop {
            number += 1;
            let id = number.to_string();
            let (line, whole) = match self.line(&mut reader) {
                Ok(Some(line)) => line,
                Ok(None) => return Ok(()),
                Err(error) => return feed.broken(id, text, format!("cannot be read: {error}")),
            };
            let line = String::from_utf8(line);
            if matches!(&line, Ok(line) if line.trim().is_empty()) {
                feed.empty();
                continue;
            }
            if !feed.wants(Kind::Text, &id)? {
                continue;
            }
            match line {
                _ if !whole => {
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
        let mut reader = BufReader::new(File::open(&self.path).ok()?);
        let mut lines = 0;
        while reader.skip_until(b'\n').ok()? > 0 {
            lines += 1;
        }
        Some(lines)
    }
}
