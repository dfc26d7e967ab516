//! Urban1k: `image/N.jpg` and `caption/N.txt`, whose first line is the caption.

use std::path::{Path, PathBuf};

use super::{Files, Gallery, ONE, Selection};
use crate::byte_order_mark;
use crate::dataset::files::shown_entries;
use crate::dataset::image_files;
use crate::eval::left_out;

/// The ending of the published images, for messages about a missing one.
const PUBLISHED: &str = "jpg";

pub fn read(path: &Path, selection: &Selection) -> anyhow::Result<Gallery> {
    let images = path.join("image");
    let folder = path.join("caption");
    let (mut captions, others): (Vec<_>, Vec<_>) = shown_entries(&folder)?
        .into_iter()
        .partition(|(_, name)| name.ends_with(".txt"));
    left_out::note(&folder, others.iter().map(|(_, name)| name.as_str()));
    // 2 sorts before 10.
    captions.sort_by(|(_, a), (_, b)| (a.len(), a).cmp(&(b.len(), b)));
    let mut files = Files::new(ONE);
    for (entry, name) in captions {
        if files.full(selection) {
            break;
        }
        let place = format!("caption/{name}");
        let bytes = match std::fs::read(entry.path()) {
            Ok(bytes) => bytes,
            Err(error) => {
                files.broken(place, format!("cannot be read: {error}"));
                continue;
            }
        };
        let Ok(text) = String::from_utf8(bytes) else {
            files.broken(place, "the caption is not UTF-8");
            continue;
        };
        let text = byte_order_mark::dropped_from(&text);
        let line = text.lines().next().unwrap_or_default().trim().to_owned();
        let id = name.trim_end_matches(".txt").to_owned();
        let file = image(&images, &id);
        files.add(&place, id, file, vec![vec![line]]);
    }
    Ok(files.finish())
}

fn image(folder: &Path, name: &str) -> PathBuf {
    let with = |ending: &&str| folder.join(format!("{name}.{ending}"));
    let mut there = image_files::DECODED.iter().map(with);
    there
        .find(|path| path.is_file())
        .unwrap_or_else(|| with(&PUBLISHED))
}
