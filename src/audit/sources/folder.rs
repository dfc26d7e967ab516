//! A folder of images, each with its caption in a text file of the same name.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use super::{At, Closed, Sink, Source};
use crate::audit::record::{Fault, Picture, Problem, Quality, Record, Side, caption};
use crate::cli::embed::sources::files::{entries, joined};

/// Endings that are taken for images.
pub const IMAGES: [&str; 9] = [
    "jpg", "jpeg", "png", "webp", "bmp", "tif", "tiff", "gif", "avif",
];

/// Bytes of a caption's file that are read: more than [`crate::audit::record::MOST_WORDS`] words, not the whole of a log.
pub const MOST_CAPTION_BYTES: u64 = 1 << 20;

pub fn read(source: &Source, sink: &mut Sink) -> Result<(), Closed> {
    walk(source, &source.path, "", sink)
}

fn walk(source: &Source, folder: &Path, below: &str, sink: &mut Sink) -> Result<(), Closed> {
    let at = |name: &str| source.place(At::Name(name.into()));
    let found = match entries(folder) {
        Ok(found) => found,
        Err(error) => {
            return sink.broken(at(below), Fault::UnreadableFile, format!("{error:#}"));
        }
    };
    for (entry, name) in found {
        let (path, name) = (entry.path(), joined(below, &name));
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            walk(source, &path, &name, sink)?;
            continue;
        }
        let ending = path.extension().unwrap_or_default().to_ascii_lowercase();
        if IMAGES.iter().any(|known| ending == *known) {
            sink.record(Record {
                place: at(&name),
                sides: vec![Side {
                    image: Ok(Picture::File(path.clone())),
                    caption: beside(&path),
                    long: None,
                }],
                prompt: None,
                category: None,
                quality: Quality::default(),
            })?;
        } else if ending == "txt" && !IMAGES.iter().any(|it| path.with_extension(it).exists()) {
            sink.broken(at(&name), Fault::MissingImage, "no image has this name")?;
        }
    }
    Ok(())
}

/// The caption beside an image.
fn beside(image: &Path) -> Result<String, Problem> {
    let path = image.with_extension("txt");
    let mut bytes = Vec::new();
    let read =
        File::open(&path).and_then(|file| file.take(MOST_CAPTION_BYTES).read_to_end(&mut bytes));
    match read {
        Ok(_) => caption(Some(&bytes)),
        Err(error) => {
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            let reason = format!("{name} cannot be read: {error}");
            Err(Problem::new(Fault::EmptyCaption, reason))
        }
    }
}
