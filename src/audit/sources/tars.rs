//! Webdataset tars: members of one name follow one another and are one sample, an image with its caption in `.txt` or in
//! `.json` (`caption`, else `text`; `caption_long`).

use std::fs::File;

use bytes::Bytes;
use serde_json::{Map, Value};
use tar::{Archive, Entry};

use super::folder::{IMAGES, MOST_CAPTION_BYTES};
use super::{At, Closed, Sink, Source};
use crate::audit::record::{Fault, Picture, Problem, Quality, Record, Side, caption, long_caption};
use crate::cli::embed::sources::tars::{bytes, member, unpacked};
use crate::preprocess::Limits;

/// What was read of a sample so far.
#[derive(Debug, Default)]
struct Sample {
    key: String,
    image: Option<Result<Picture, Problem>>,
    text: Option<Result<String, Problem>>,
    long: Option<Result<String, Problem>>,
}

impl Sample {
    fn give(self, source: &Source, sink: &mut Sink) -> Result<(), Closed> {
        if self.image.is_none() && self.text.is_none() {
            return Ok(());
        }
        let no_image = || Problem::new(Fault::MissingImage, "the sample has no image");
        let no_caption = || Problem::new(Fault::EmptyCaption, "the sample has no .txt or .json");
        sink.record(Record {
            place: source.place(At::Name(self.key.into())),
            sides: vec![Side {
                image: self.image.unwrap_or_else(|| Err(no_image())),
                caption: self.text.unwrap_or_else(|| Err(no_caption())),
                long: self.long,
            }],
            prompt: None,
            category: None,
            quality: Quality::default(),
        })
    }
}

pub fn read(source: &Source, sink: &mut Sink) -> Result<(), Closed> {
    let failed = |reason: String, sink: &mut Sink| {
        sink.broken(source.place(At::File), Fault::UnreadableFile, reason)
    };
    let mut archive = match File::open(&source.path).and_then(unpacked) {
        Ok(file) => Archive::new(file),
        Err(error) => return failed(error.to_string(), sink),
    };
    let entries = match archive.entries_with_seek() {
        Ok(entries) => entries,
        Err(error) => return failed(error.to_string(), sink),
    };
    let mut sample = Sample::default();
    for entry in entries {
        let entry = match entry {
            Ok(entry) => entry,
            Err(error) => {
                sample.give(source, sink)?;
                // Where the next member begins is unknown.
                return failed(format!("what follows cannot be read: {error}"), sink);
            }
        };
        let kind = entry.header().entry_type();
        let path = String::from_utf8_lossy(&entry.path_bytes()).into_owned();
        let Some((key, ending)) = member(&path).filter(|_| kind.is_file() || kind.is_contiguous())
        else {
            continue;
        };
        if sample.key != key {
            std::mem::take(&mut sample).give(source, sink)?;
            sample.key = key.to_owned();
        }
        sample.add(ending, entry);
    }
    sample.give(source, sink)
}

impl Sample {
    fn add(&mut self, ending: &str, entry: Entry<'_, File>) {
        let ending = ending.to_ascii_lowercase();
        if IMAGES.contains(&ending.as_str()) {
            let most = Limits::default().max_bytes as u64;
            let image = bytes(entry, most)
                .map(|bytes| Picture::Bytes(Bytes::from(bytes)))
                .map_err(|reason| Problem::new(Fault::UnreadableImage, reason));
            self.image = Some(image);
        } else if ending == "txt" {
            let text = bytes(entry, MOST_CAPTION_BYTES);
            let text = text.map_err(|reason| Problem::new(Fault::OverlongCaption, reason));
            self.text = Some(text.and_then(|bytes| caption(Some(&bytes))));
        } else if ending == "json" {
            self.add_json(bytes(entry, MOST_CAPTION_BYTES));
        }
    }

    /// A text file's caption wins over that of the JSON file.
    fn add_json(&mut self, bytes: Result<Vec<u8>, String>) {
        let object = bytes.and_then(|bytes| {
            serde_json::from_slice::<Map<String, Value>>(&bytes).map_err(|e| e.to_string())
        });
        let object = match object {
            Ok(object) => object,
            Err(reason) => {
                let reason = format!("the .json cannot be read: {reason}");
                let problem = Problem::new(Fault::InvalidLine, reason);
                self.text.get_or_insert(Err(problem));
                return;
            }
        };
        let text = |name: &str| object.get(name).and_then(Value::as_str).map(str::as_bytes);
        if let Some(short) = text("caption").or(text("text")) {
            self.text.get_or_insert_with(|| caption(Some(short)));
        }
        if let Some(long) = long_caption(text("caption_long")) {
            self.long = Some(long);
        }
    }
}
