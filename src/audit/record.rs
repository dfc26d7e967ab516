//! One record of a training set as read: an image with its caption, or a pair of them.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use bytes::Bytes;
use serde::Serialize;

/// A text with more words is an accident (a page, a log) and not a caption. The longest captions written for training have a
/// few hundred.
pub const MOST_WORDS: usize = 1000;

/// The place of a record.
#[derive(Debug, Clone)]
pub struct Place {
    /// The path of the file, as derived from the command line.
    pub file: Arc<str>,
    /// The place within the file.
    pub at: At,
}

/// A place within a file.
#[derive(Debug, Clone)]
pub enum At {
    /// The file itself.
    File,
    /// Row of a Parquet file, from 0.
    Row(u64),
    /// Line of a text file, from 1.
    Line(u64),
    /// Name of a tar's sample, or of an image below a folder.
    Name(Box<str>),
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let file = &self.file;
        match &self.at {
            At::File => f.write_str(file),
            At::Row(number) | At::Line(number) => write!(f, "{file}:{number}"),
            At::Name(name) => write!(f, "{file}:{name}"),
        }
    }
}

/// The kind of a fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Fault {
    /// A file, or a part of it, cannot be read.
    UnreadableFile,
    /// A file lacks a column, or a line lacks a field.
    MissingColumn,
    /// A line is not a JSON object.
    InvalidLine,
    /// A named image does not exist, or its cell is empty.
    MissingImage,
    /// An image cannot be decoded.
    UnreadableImage,
    /// The caption is missing or empty.
    EmptyCaption,
    /// A caption of more than [`MOST_WORDS`] words.
    OverlongCaption,
    /// NUL or another control character in a caption.
    ControlCharacters,
    /// A caption that is not UTF-8.
    NotUtf8,
}

impl Fault {
    /// The name in the report.
    pub fn name(self) -> &'static str {
        match self {
            Self::UnreadableFile => "unreadable_file",
            Self::MissingColumn => "missing_column",
            Self::InvalidLine => "invalid_line",
            Self::MissingImage => "missing_image",
            Self::UnreadableImage => "unreadable_image",
            Self::EmptyCaption => "empty_caption",
            Self::OverlongCaption => "overlong_caption",
            Self::ControlCharacters => "control_characters",
            Self::NotUtf8 => "not_utf8",
        }
    }
}

/// A fault with its description.
#[derive(Debug, Clone)]
pub struct Problem {
    pub fault: Fault,
    pub reason: String,
}

impl Problem {
    pub fn new(fault: Fault, reason: impl Into<String>) -> Self {
        let reason = reason.into();
        Self { fault, reason }
    }
}

/// An encoded image.
#[derive(Debug)]
pub enum Picture {
    Bytes(Bytes),
    /// Read when it is needed.
    File(PathBuf),
}

/// An image and its captions.
#[derive(Debug)]
pub struct Side {
    pub image: Result<Picture, Problem>,
    /// None if there is none and none is required: a long caption is enough.
    pub caption: Option<Result<String, Problem>>,
    /// None if there is none: long captions are optional.
    pub long: Option<Result<String, Problem>>,
}

/// UltraEdit's measures of a pair, in the order of [`super::quality::FILTER`].
pub type Quality = [Option<f64>; 5];

/// One record: one side, or the two of a pair.
#[derive(Debug)]
pub struct Record {
    pub place: Place,
    pub sides: Vec<Side>,
    pub prompt: Option<String>,
    pub category: Option<String>,
    pub quality: Quality,
}

/// The reason why training does not read a file or member.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LeftOut {
    /// Its ending is not one of those that are read.
    OtherEnding,
    /// Its name begins with a dot.
    Hidden,
    /// Another member of the sample is read instead.
    Replaced,
}

impl LeftOut {
    /// The name in the report.
    pub fn name(self) -> &'static str {
        match self {
            Self::OtherEnding => "other_ending",
            Self::Hidden => "hidden",
            Self::Replaced => "replaced",
        }
    }
}

/// An event from a source.
#[derive(Debug)]
pub enum SourceEvent {
    Record(Box<Record>),
    /// Something that cannot be read as a record.
    Broken(Place, Problem),
    /// A file or member that training does not read, with the reason: see [`LeftOut`].
    LeftOut(Place, LeftOut),
}

/// The name of a side in messages; empty if there is only one side.
pub fn side_name(sides: usize, side: usize) -> &'static str {
    match (sides, side) {
        (2, 0) => " source",
        (2, _) => " target",
        _ => "",
    }
}

/// A usable caption without surrounding white space.
///
/// # Errors
/// The problem of the caption.
pub fn caption(bytes: Option<&[u8]>) -> Result<String, Problem> {
    let text = match bytes.map(std::str::from_utf8) {
        None => return Err(Problem::new(Fault::EmptyCaption, "there is no caption")),
        Some(Err(_)) => return Err(Problem::new(Fault::NotUtf8, "the caption is not UTF-8")),
        Some(Ok(text)) => text.trim(),
    };
    if text.is_empty() {
        return Err(Problem::new(Fault::EmptyCaption, "the caption is empty"));
    }
    if let Some(found) = text.chars().find(|c| c.is_control() && !c.is_whitespace()) {
        let reason = format!(
            "the caption has the control character U+{:04X}",
            u32::from(found)
        );
        return Err(Problem::new(Fault::ControlCharacters, reason));
    }
    let words = text.split_whitespace().count();
    if words > MOST_WORDS {
        let reason =
            format!("the caption has {words} words; more than {MOST_WORDS} are not a caption");
        return Err(Problem::new(Fault::OverlongCaption, reason));
    }
    Ok(text.to_owned())
}

/// Reads a long caption: a missing or blank one is not a fault.
pub fn long_caption(bytes: Option<&[u8]>) -> Option<Result<String, Problem>> {
    bytes
        .filter(|bytes| !bytes.trim_ascii().is_empty())
        .map(|bytes| caption(Some(bytes)))
}

/// A short text beside the captions: an edit prompt, a category.
pub fn remark(bytes: Option<&[u8]>) -> Option<String> {
    let text = std::str::from_utf8(bytes?).ok()?.trim();
    (!text.is_empty()).then(|| text.chars().take(1000).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unusable_captions_have_a_reason() {
        let fault = |text: Option<&[u8]>| caption(text).err().map(|problem| problem.fault);
        assert_eq!(fault(Some(b"a red\tbolt\n")), None);
        assert_eq!(fault(None), Some(Fault::EmptyCaption));
        assert_eq!(fault(Some(b" \n")), Some(Fault::EmptyCaption));
        assert_eq!(fault(Some(b"a\0b")), Some(Fault::ControlCharacters));
        assert_eq!(fault(Some(b"\xff")), Some(Fault::NotUtf8));
        let words = |n: usize| "word ".repeat(n).into_bytes();
        assert_eq!(fault(Some(&words(MOST_WORDS))), None);
        assert_eq!(fault(Some(&words(5000))), Some(Fault::OverlongCaption));
        assert!(long_caption(Some(b" ")).is_none() && long_caption(None).is_none());
    }
}
