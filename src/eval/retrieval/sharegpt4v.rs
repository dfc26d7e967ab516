//! ShareGPT4V: a JSON list of `image` and `conversations`, whose second `value` is the caption, with blanks instead of line
//! breaks. The short caption is the text before the first full stop that a blank follows. The list may be larger than
//! memory, so it is read as a stream.

use std::fmt;
use std::fs::File;
use std::io::BufReader;
use std::path::Path;

use anyhow::Context;
use serde::Deserialize;
use serde::de::{DeserializeSeed, IgnoredAny, SeqAccess, Visitor};
use serde_json::Value;

use super::{Files, Gallery, SHORT_AND_LONG, Selection, stays_below};
use crate::byte_order_mark;

pub fn read(path: &Path, selection: &Selection) -> anyhow::Result<Gallery> {
    let folder = selection
        .images
        .as_deref()
        .context("this layout needs --images, the folder that the names of the images are in")?;
    let file = File::open(path).with_context(|| format!("cannot read {}", path.display()))?;
    let mut files = Files::new(SHORT_AND_LONG);
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let records = Records {
        name: &name,
        folder,
        selection,
        files: &mut files,
    };
    let mut file = BufReader::new(file);
    byte_order_mark::pass_by(&mut file).with_context(|| path.display().to_string())?;
    let mut reader = serde_json::Deserializer::from_reader(file);
    records
        .deserialize(&mut reader)
        .with_context(|| path.display().to_string())?;
    Ok(files.finish())
}

struct Records<'a> {
    name: &'a str,
    folder: &'a Path,
    selection: &'a Selection,
    files: &'a mut Files,
}

impl<'de> DeserializeSeed<'de> for Records<'_> {
    type Value = ();

    fn deserialize<D: serde::Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_seq(self)
    }
}

impl<'de> Visitor<'de> for Records<'_> {
    type Value = ();

    fn expecting(&self, formatter: &mut fmt::Formatter) -> fmt::Result {
        formatter.write_str("a list of records")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<(), A::Error> {
        let mut number = 0;
        while !self.files.full(self.selection) {
            let Some(value) = list.next_element::<Value>()? else {
                return Ok(());
            };
            let place = format!("{}[{number}]", self.name);
            number += 1;
            match Record::of(&value) {
                Err(reason) => self.files.broken(place, reason),
                Ok(Record { image, caption }) => {
                    let file = self.folder.join(&image);
                    let captions = vec![vec![short(&caption)], vec![caption]];
                    self.files.add(&place, image, file, captions);
                }
            }
        }
        while list.next_element::<IgnoredAny>()?.is_some() {}
        Ok(())
    }
}

struct Record {
    image: String,
    caption: String,
}

#[derive(Deserialize)]
struct Turn {
    value: String,
}

impl Record {
    fn of(value: &Value) -> Result<Self, String> {
        let image = value.get("image").and_then(Value::as_str);
        let image = image.ok_or("image is missing or not a string")?;
        if !stays_below(image) {
            return Err(format!("{image:?} is not a name below the images"));
        }
        let turn = value.pointer("/conversations/1");
        let turn = turn.ok_or("conversations has no second entry")?;
        let turn = Turn::deserialize(turn).map_err(|e| format!("conversations[1]: {e}"))?;
        Ok(Self {
            image: image.to_owned(),
            caption: turn.value.replace('\n', " "),
        })
    }
}

fn short(caption: &str) -> String {
    let first = caption.split_once(". ").map_or(caption, |(first, _)| first);
    first.to_owned()
}

#[cfg(test)]
mod tests {
    use super::short;

    #[test]
    fn the_short_caption_ends_at_the_first_full_stop() {
        assert_eq!(short("A cat. It sleeps. "), "A cat");
        assert_eq!(short("v1.5 of a cat"), "v1.5 of a cat");
    }
}
