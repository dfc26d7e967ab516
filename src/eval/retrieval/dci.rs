//! Densely Captioned Images: one JSON file per image in `annotations/`, with `image` (a name in `photos/`), `short_caption`,
//! and `extra_caption`, the long one.

use std::path::Path;

use serde::Deserialize;

use super::{Files, Gallery, SHORT_AND_LONG, Selection, stays_below};
use crate::dataset::files::shown_entries;
use crate::eval::json::whole;
use crate::eval::left_out;

#[derive(Deserialize)]
struct Annotation {
    image: String,
    #[serde(default)]
    short_caption: String,
    #[serde(default)]
    extra_caption: String,
}

pub fn read(path: &Path, selection: &Selection) -> anyhow::Result<Gallery> {
    let photos = match &selection.images {
        Some(folder) => folder.clone(),
        None => path.join("photos"),
    };
    let mut files = Files::new(SHORT_AND_LONG);
    let folder = path.join("annotations");
    let (annotations, others): (Vec<_>, Vec<_>) = shown_entries(&folder)?
        .into_iter()
        .partition(|(_, name)| name.ends_with(".json"));
    left_out::note(&folder, others.iter().map(|(_, name)| name.as_str()));
    for (entry, name) in annotations {
        if files.full(selection) {
            break;
        }
        let place = format!("annotations/{name}");
        match whole::<Annotation>(&entry.path()) {
            Err(error) => files.broken(place, error.root_cause().to_string()),
            Ok(annotation) if !stays_below(&annotation.image) => {
                let reason = format!("{:?} is not a name in photos/", annotation.image);
                files.broken(place, reason);
            }
            Ok(annotation) => {
                let file = photos.join(&annotation.image);
                let captions = [annotation.short_caption, annotation.extra_caption];
                let captions = captions.map(|text| vec![text.trim().to_owned()]);
                files.add(&place, annotation.image, file, captions.into());
            }
        }
    }
    Ok(files.finish())
}
