//! Lines of a file: each line is an item, whose id is its number from 1.

use std::io::BufReader;

use super::{Feed, Source};
use crate::cli::embed::item::{Content, Item, Kind};
use crate::cli::embed::shard::Owner;
use crate::cli::embed::survey::Survey;
use crate::dataset::lines;
use crate::dataset::pipeline::Closed;
use crate::dataset::store::Blob;

/// A file of texts.
#[derive(Debug)]
pub struct Lines {
    file: Blob,
    most_bytes: usize,
}

impl Lines {
    pub fn new(file: Blob, most_bytes: usize) -> Self {
        Self { file, most_bytes }
    }
}

impl Source for Lines {
    fn survey(&self, survey: &mut Survey) -> anyhow::Result<()> {
        survey.source("texts");
        survey.file(&self.file);
        Ok(())
    }

    /// A shard counts the lines before its own, because their number is their id.
    fn read(&self, feed: &mut Feed) -> Result<(), Closed> {
        feed.file(self.file.size);
        let (mut number, mut place) = (0_u64, 0_u64);
        let text = Kind::Text.name();
        let mut lines = match self.file.open() {
            Ok(file) => lines::Lines::new(BufReader::new(file), self.most_bytes as u64),
            Err(error) => return feed.broken(self.file.shown(), text, error.to_string()),
        };
        loop {
            number += 1;
            let id = number.to_string();
            let owner = feed.at(place);
            let line = match lines.next_line() {
                Ok(Some(line)) => line,
                Ok(None) => return Ok(()),
                Err(error) => return feed.broken(id, text, format!("cannot be read: {error}")),
            };
            place += line.length;
            match owner {
                Owner::Later => return Ok(()),
                Owner::Earlier if feed.is_alone() => continue,
                Owner::Earlier | Owner::This => {}
            }
            let content = String::from_utf8(line.bytes);
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
        lines::count(BufReader::new(self.file.open().ok()?))
    }
}
