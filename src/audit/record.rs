//! One record of a training set as it was read: an image with its caption, or a pair of them.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use bytes::Bytes;
use serde::Serialize;

/// Words above which a caption is taken for an accident (a page, a log) and not for a caption. The longest captions that are
/// written for training have a few hundred.
pub const MOST_WORDS: usize = 1000;

/// Where a record is.
#[derive(Debug, Clone)]
pub struct Place {
    /// The file as the command line leads to it.
    pub file: Arc<str>,
    /// Where in it.
    pub at: At,
}

/// Where in a file.
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

/// What kind of fault a broken thing has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Fault {
    /// A file, or a part of it, cannot be read.
    UnreadableFile,
    /// A file lacks a column, a line a field.
    MissingColumn,
    /// A line is no JSON object.
    InvalidLine,
    /// An image is named and not there, or its cell is empty.
    MissingImage,
    /// An image cannot be decoded.
    UnreadableImage,
    /// There is no caption, or nothing in it.
    EmptyCaption,
    /// A caption of more than [`MOST_WORDS`] words.
    OverlongCaption,
    /// NUL or another control character in a caption.
    ControlCharacters,
    /// A caption that is not UTF-8.
    NotUtf8,
}

impl Fault {
    /// As the report spells it.
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

/// A fault and what to say of it.
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
    /// Read when its turn comes.
    File(PathBuf),
}

/// An image and its captions.
#[derive(Debug)]
pub struct Side {
    pub image: Result<Picture, Problem>,
    /// None where there is none and none is missed: a long caption is enough.
    pub caption: Option<Result<String, Problem>>,
    /// None where there is none: long captions are optional.
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

/// Why training does not read a file or member.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LeftOut {
    /// Its ending is none of those that are read.
    OtherEnding,
    /// Its name begins with a dot.
    Hidden,
    /// Another member of the sample is read in its place.
    Replaced,
}

impl LeftOut {
    /// As the report spells it.
    pub fn name(self) -> &'static str {
        match self {
            Self::OtherEnding => "other_ending",
            Self::Hidden => "hidden",
            Self::Replaced => "replaced",
        }
    }
}

/// What a source found.
#[derive(Debug)]
pub enum Found {
    Record(Box<Record>),
    /// Something that is no record.
    Broken(Place, Problem),
    /// A file or member that training does not read, and why: see [`LeftOut`].
    LeftOut(Place, LeftOut),
}

/// The name of a side in messages; nothing where there is only one.
pub fn side_name(sides: usize, side: usize) -> &'static str {
    match (sides, side) {
        (2, 0) => " source",
        (2, _) => " target",
        _ => "",
    }
}

/// A caption that can be used, without the space around it.
///
/// # Errors
/// What is wrong with it.
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

/// A long caption: one that is not there, or blank, is no fault.
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
    fn captions_that_cannot_be_used_say_why() {
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
