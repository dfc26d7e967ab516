//! JSON objects, one per line: pairs, or images with captions. Image paths are relative to the file.

use std::fs::File;
use std::io::{self, BufReader};
use std::path::Path;

use serde_json::{Map, Value};

use super::{At, Sink, Source};
use crate::audit::quality::FILTER;
use crate::audit::record::{
    Fault, Picture, Problem, Quality, Record, Side, caption, long_caption, remark,
};
use crate::dataset::lines::{self, Lines};
use crate::dataset::pipeline::Closed;

/// Maximum length of a line: several times two captions of [`crate::audit::record::MOST_WORDS`] words with long ones.
const MOST_BYTES: u64 = 1 << 20;

/// Field names of a side: image, caption, long caption.
type Names = (&'static [&'static str], &'static str, &'static str);
const SOURCE: Names = (&["source_image"], "source_caption", "source_caption_long");
const TARGET: Names = (
    &["target_image", "edited_image"],
    "target_caption",
    "target_caption_long",
);
const SINGLE: Names = (&["image"], "caption", "caption_long");

pub fn total(source: &Source) -> Option<u64> {
    lines::count(BufReader::new(File::open(&source.path).ok()?))
}

pub fn read(source: &Source, sink: &mut Sink) -> Result<(), Closed> {
    let unreadable = |error: io::Error| format!("cannot be read: {error}");
    let mut lines = match File::open(&source.path) {
        Ok(file) => Lines::new(BufReader::new(file), MOST_BYTES),
        Err(error) => {
            let place = source.place(At::File);
            return sink.broken(place, Fault::UnreadableFile, unreadable(error));
        }
    };
    for number in 1.. {
        let place = source.place(At::Line(number));
        match lines.next_line() {
            Err(error) => return sink.broken(place, Fault::UnreadableFile, unreadable(error)),
            Ok(None) => break,
            Ok(Some(line)) if !line.is_whole => {
                let reason = format!("the line has more than {MOST_BYTES} bytes");
                sink.broken(place, Fault::InvalidLine, reason)?;
            }
            Ok(Some(line)) if line.bytes.trim_ascii().is_empty() => {}
            Ok(Some(line)) => match record(source, number, &line.bytes) {
                Ok(record) => sink.record(record)?,
                Err(problem) => sink.broken(place, problem.fault, problem.reason)?,
            },
        }
    }
    Ok(())
}

fn record(source: &Source, number: u64, line: &[u8]) -> Result<Record, Problem> {
    let invalid = |reason: String| Problem::new(Fault::InvalidLine, reason);
    let object: Map<String, Value> = serde_json::from_slice(line)
        .map_err(|error| invalid(format!("the line is not a JSON object: {error}")))?;
    let has = |names: Names| names.0.iter().any(|name| object.contains_key(*name));
    let sides: &[Names] = match (has(SOURCE), has(TARGET), has(SINGLE)) {
        (true, true, _) => &[SOURCE, TARGET],
        (false, false, true) => &[SINGLE],
        (source, target, _) => {
            let wanted = match (source, target) {
                (true, _) => "target_image",
                (_, true) => "source_image",
                _ => "source_image and target_image, or image",
            };
            let names: Vec<_> = object.keys().map(String::as_str).take(20).collect();
            let reason = format!(
                "the field {wanted} is missing; the line has {}",
                names.join(", ")
            );
            return Err(Problem::new(Fault::MissingColumn, reason));
        }
    };
    let folder = source.path.parent().unwrap_or(Path::new(""));
    let text = |name: &str| match object.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => Ok(Some(text.as_bytes())),
        Some(_) => Err(invalid(format!("{name} is not a string"))),
    };
    let mut read = Vec::new();
    for (image, short, long) in sides {
        let mut name = None;
        for field in *image {
            name = name.or(text(field)?);
        }
        let file = match name.map(String::from_utf8_lossy) {
            Some(name) if !name.trim().is_empty() => Ok(Picture::File(folder.join(&*name))),
            _ => Err(Problem::new(Fault::MissingImage, "no image is named")),
        };
        read.push(Side {
            image: file,
            caption: Some(caption(text(short)?)),
            long: long_caption(text(long)?),
        });
    }
    let mut quality = Quality::default();
    for (value, (name, _)) in quality.iter_mut().zip(FILTER) {
        *value = object.get(name).and_then(Value::as_f64);
    }
    Ok(Record {
        place: source.place(At::Line(number)),
        sides: read,
        prompt: remark(text("edit_prompt")?),
        category: remark(text("category")?),
        quality,
    })
}
