//! A folder of images with captions in text files of the same name, in the layout that training reads: the first line is the
//! short caption, the rest is the long one.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use super::{At, Sink, Source};
use crate::audit::record::{
    Fault, LeftOut, Picture, Problem, Quality, Record, Side, caption, long_caption,
};
use crate::byte_order_mark;
use crate::dataset::image_files;
use crate::dataset::pipeline::Closed;
use crate::dataset::walk::{Step, walk};

/// Number of bytes of a caption file that are read: more than [`crate::audit::record::MOST_WORDS`] words, but not a whole
/// log.
pub const MOST_CAPTION_BYTES: u64 = 1 << 20;

/// The short and the long caption.
type Captions = (
    Option<Result<String, Problem>>,
    Option<Result<String, Problem>>,
);

pub fn read(source: &Source, sink: &mut Sink) -> Result<(), Closed> {
    let at = |name: &str| source.place(At::Name(name.into()));
    walk(&source.path, &mut |step| match step {
        Step::Hidden { name } => sink.left_out(at(&name), LeftOut::Hidden),
        Step::Unreadable(it) => sink.broken(at(&it.name), Fault::UnreadableFile, it.reason),
        Step::File { path, name, .. } => {
            let ending = path.extension().unwrap_or_default().to_ascii_lowercase();
            let ending = ending.to_string_lossy();
            if image_files::is_decoded(&ending) {
                let (short, long) = beside(&path);
                sink.record(Record {
                    place: at(&name),
                    sides: vec![Side {
                        image: Ok(Picture::File(path)),
                        caption: short,
                        long,
                    }],
                    prompt: None,
                    category: None,
                    quality: Quality::default(),
                })
            } else if ending != "txt" {
                sink.left_out(at(&name), LeftOut::OtherEnding)
            } else if has_image(&path) {
                Ok(())
            } else {
                sink.broken(at(&name), Fault::MissingImage, "no image has this name")
            }
        }
    })
}

/// Whether an image has the name of a text file; the ending may be in upper case.
fn has_image(text: &Path) -> bool {
    let there = |ending: String| text.with_extension(ending).exists();
    let endings = image_files::DECODED.iter();
    endings
        .flat_map(|it| [(*it).to_owned(), it.to_uppercase()])
        .any(there)
}

/// The captions beside an image.
fn beside(image: &Path) -> Captions {
    let path = image.with_extension("txt");
    let mut bytes = Vec::new();
    let read =
        File::open(&path).and_then(|file| file.take(MOST_CAPTION_BYTES).read_to_end(&mut bytes));
    match read {
        Ok(_) => captions(byte_order_mark::dropped(&bytes)),
        Err(error) => {
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            let reason = format!("{name} cannot be read: {error}");
            (Some(Err(Problem::new(Fault::EmptyCaption, reason))), None)
        }
    }
}

/// Splits a text into its first line and the rest, with blanks instead of line breaks.
fn captions(content: &[u8]) -> Captions {
    let content = content.trim_ascii();
    let end = content.iter().position(|byte| *byte == b'\n');
    let (first, rest) = content.split_at(end.unwrap_or(content.len()));
    (
        Some(caption(Some(first))),
        long_caption(Some(&one_line(rest))),
    )
}

/// Replaces line breaks by blanks, as training does.
pub fn one_line(content: &[u8]) -> Vec<u8> {
    let blank = |byte: &u8| if *byte == b'\n' { b' ' } else { *byte };
    content.iter().map(blank).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_line_is_short_and_the_rest_is_long() {
        let read = |content: &str| {
            let (short, long) = captions(content.as_bytes());
            let text = |it: Option<Result<String, Problem>>| it.and_then(Result::ok);
            (text(short), text(long))
        };
        let both = |a: &str, b: &str| (Some(a.to_owned()), Some(b.to_owned()));
        assert_eq!(read("a bolt\n"), (Some("a bolt".to_owned()), None));
        assert_eq!(
            read("\n a bolt \n\na red\nbolt\n"),
            both("a bolt", "a red bolt")
        );
        assert_eq!(read(" \n"), (None, None));
    }
}
