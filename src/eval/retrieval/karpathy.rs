//! Karpathy's splits of COCO and Flickr30k (`dataset_coco.json`, `dataset_flickr30k.json`): `images` with `filename`,
//! `filepath` (COCO), `split` and `sentences` with `raw`. An image may have any number of captions.

use std::path::Path;

use anyhow::{Context, bail};
use serde::Deserialize;
use serde_json::Value;

use super::{Files, Gallery, ONE, Selection, stays_below};
use crate::eval::json::whole;

#[derive(Deserialize)]
struct Annotations {
    images: Vec<Value>,
}

#[derive(Deserialize)]
struct Image {
    #[serde(default)]
    filepath: String,
    filename: String,
    sentences: Vec<Sentence>,
}

#[derive(Deserialize)]
struct Sentence {
    raw: String,
}

pub fn read(path: &Path, selection: &Selection) -> anyhow::Result<Gallery> {
    let folder = selection
        .images
        .as_deref()
        .context("this layout needs --images, the folder of the image files")?;
    let annotations: Annotations = whole(path)?;
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let mut files = Files::new(ONE);
    for (number, value) in annotations.images.into_iter().enumerate() {
        if files.full(selection) {
            break;
        }
        let place = format!("{name}:images[{number}]");
        match value.get("split").and_then(Value::as_str) {
            None => {
                files.broken(place, "the split is missing");
                continue;
            }
            Some(split) if split != selection.split => continue,
            Some(_) => {}
        }
        let image = match Image::deserialize(value) {
            Ok(image) => image,
            Err(error) => {
                files.broken(place, error.to_string());
                continue;
            }
        };
        let below = match image.filepath.as_str() {
            "" => image.filename.clone(),
            path => format!("{path}/{}", image.filename),
        };
        if !stays_below(&below) {
            files.broken(place, format!("{below:?} is not a name below the images"));
            continue;
        }
        let mut file = folder.join(&below);
        // Some copies have all images in one folder.
        if !file.is_file() && folder.join(&image.filename).is_file() {
            file = folder.join(&image.filename);
        }
        let captions = image.sentences.into_iter().map(|it| it.raw).collect();
        files.add(&place, below, file, vec![captions]);
    }
    if files.records == 0 {
        bail!(
            "{}: no image has the split {}",
            path.display(),
            selection.split
        );
    }
    Ok(files.finish())
}
