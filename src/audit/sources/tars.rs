//! Webdataset tars in the layout that training reads: consecutive members of one name form a sample, an image with captions
//! in `.txt`, `.json` or both. JSON has priority: `caption`, else `short_caption`, else the text; `caption_long`, else
//! `long_caption`.

use std::fs::File;

use bytes::Bytes;
use serde_json::Value;

use super::folder::{MOST_CAPTION_BYTES, one_line};
use super::{At, Sink, Source};
use crate::audit::record::{
    Fault, LeftOut, Picture, Problem, Quality, Record, Side, caption, long_caption,
};
use crate::byte_order_mark;
use crate::dataset::pipeline::Closed;
use crate::dataset::store::Readable;
use crate::dataset::tar_members::{self, Member};
use crate::preprocess::Limits;

/// Keys of the short and of the long caption; the first key with a text is used.
const SHORT: [&str; 2] = ["caption", "short_caption"];
const LONG: [&str; 2] = ["caption_long", "long_caption"];

/// The kind of a member, by its ending.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Part {
    Image,
    Text,
    Json,
}

/// The parts of a sample that were read so far.
#[derive(Debug, Default)]
struct Sample {
    key: Option<String>,
    image: Option<Result<Picture, Problem>>,
    text: Option<Result<String, Problem>>,
    short: Option<Result<String, Problem>>,
    long: Option<Result<String, Problem>>,
    /// The error in the JSON; training leaves the sample out then.
    broken: Option<Problem>,
    /// The member with the image.
    image_name: String,
}

pub fn read(source: &Source, sink: &mut Sink) -> Result<(), Closed> {
    let file = File::open(&source.path).map(|file| Box::new(file) as Box<dyn Readable>);
    let mut sample = Sample::default();
    let whole = tar_members::visit(file, |member| {
        let path = member.path.clone();
        let Some((key, part)) = part(&path).filter(|_| member.has_content) else {
            return sink.left_out(source.place(At::Name(path.into())), LeftOut::OtherEnding);
        };
        if sample.key.as_deref() != Some(key) {
            std::mem::take(&mut sample).give(source, sink)?;
            sample.key = Some(key.to_owned());
        }
        if part == Part::Image {
            let before = std::mem::replace(&mut sample.image_name, path.clone());
            if !before.is_empty() {
                sink.left_out(source.place(At::Name(before.into())), LeftOut::Replaced)?;
            }
        }
        sample.add(part, member);
        Ok(())
    })?;
    sample.give(source, sink)?;
    match whole {
        Ok(()) => Ok(()),
        Err(reason) => sink.broken(source.place(At::File), Fault::UnreadableFile, reason),
    }
}

/// The key of a member's sample and the kind of the member, by the first dot of its name; members with other endings are not
/// read.
fn part(path: &str) -> Option<(&str, Part)> {
    let name = path.rfind('/').map_or(0, |slash| slash + 1);
    let dot = name + path.get(name..)?.find('.')?;
    let part = match path.get(dot + 1..)?.to_ascii_lowercase().as_str() {
        "jpg" | "jpeg" | "png" | "webp" => Part::Image,
        "txt" => Part::Text,
        "json" => Part::Json,
        _ => return None,
    };
    Some((path.get(..dot)?, part))
}

impl Sample {
    /// Reads a member.
    fn add(&mut self, part: Part, member: Member<'_>) {
        let most = match part {
            Part::Image => Limits::default().max_bytes as u64,
            Part::Text | Part::Json => MOST_CAPTION_BYTES,
        };
        let content = member.bytes(most).map_err(|fault| fault.to_string());
        match part {
            Part::Image => {
                let image = content.map(|bytes| Picture::Bytes(Bytes::from(bytes)));
                let unreadable = |reason| Problem::new(Fault::UnreadableImage, reason);
                self.image = Some(image.map_err(unreadable));
            }
            Part::Text => {
                let text = content.map_err(|reason| Problem::new(Fault::OverlongCaption, reason));
                let read =
                    |bytes: Vec<u8>| caption(Some(&one_line(byte_order_mark::dropped(&bytes))));
                self.text = Some(text.and_then(read));
            }
            Part::Json => self.add_json(content),
        }
    }

    fn add_json(&mut self, content: Result<Vec<u8>, String>) {
        let value = content.and_then(|content| {
            let content = byte_order_mark::dropped(&content);
            serde_json::from_slice::<Value>(content).map_err(|e| e.to_string())
        });
        match value {
            Err(reason) => {
                let reason = format!("the .json cannot be read: {reason}");
                self.broken = Some(Problem::new(Fault::InvalidLine, reason));
            }
            Ok(value) => {
                let first = |keys: [&str; 2]| {
                    let texts = keys.iter().filter_map(|key| value.get(key)?.as_str());
                    let mut captions = texts.filter_map(|text| long_caption(Some(text.as_bytes())));
                    captions.next()
                };
                (self.short, self.long) = (first(SHORT), first(LONG));
            }
        }
    }

    fn give(self, source: &Source, sink: &mut Sink) -> Result<(), Closed> {
        let Some(key) = self.key else {
            return Ok(());
        };
        let is_blank = |it: &Result<String, Problem>| matches!(it, Err(problem) if problem.fault == Fault::EmptyCaption);
        let mut short = self.short.or(self.text);
        // For training a long caption is enough.
        if self.long.is_some() && short.as_ref().is_some_and(is_blank) {
            short = None;
        }
        let no_image = || Problem::new(Fault::MissingImage, "the sample has no image");
        let no_caption = || Problem::new(Fault::EmptyCaption, "the sample has no caption");
        let caption = match (self.broken, short, &self.long) {
            (Some(problem), ..) => Some(Err(problem)),
            (None, None, None) => Some(Err(no_caption())),
            (None, short, _) => short,
        };
        sink.record(Record {
            place: source.place(At::Name(key.into())),
            sides: vec![Side {
                image: self.image.unwrap_or_else(|| Err(no_image())),
                caption,
                long: self.long,
            }],
            prompt: None,
            category: None,
            quality: Quality::default(),
        })
    }
}
