//! Whether a file is the finished output of the same work.

use std::collections::HashMap;

use super::content::Content;
use super::table::{CONTENT, FAILED, builder};
use crate::dataset::store::{Access, Blob, Chunks};

/// What lies where an output is to be.
#[derive(Debug)]
pub enum Found {
    /// The output, whole: its rows, and the number of items that could not be embedded.
    Finished { rows: u64, failed: u64 },
    /// Something that was made of other inputs, by another model, or by another program; in words.
    Other(String),
    /// Something that is not whole; why not.
    Damaged(String),
}

/// Looks at a file: what it says of itself, and whether its rows are those that were written. All of it is read.
pub fn look(blob: &Blob, made_by: &HashMap<String, String>) -> Found {
    let opened = blob.chunks(Access::Whole).map_err(anyhow::Error::from);
    let file = match opened.and_then(builder::<Chunks>) {
        Ok(file) => file,
        Err(error) => return Found::Damaged(format!("{error:#}")),
    };
    let pairs = file.metadata().file_metadata().key_value_metadata();
    let pairs: HashMap<_, _> = pairs
        .into_iter()
        .flatten()
        .filter_map(|pair| Some((pair.key.as_str(), pair.value.clone()?)))
        .collect();
    let Some(content) = pairs.get(CONTENT) else {
        return Found::Other("no output of clip-in embed".to_owned());
    };
    let mut differ: Vec<_> = made_by
        .iter()
        .filter(|(key, value)| pairs.get(key.as_str()) != Some(value))
        .map(|(key, _)| key.trim_start_matches("clip_in_").replace('_', " "))
        .collect();
    if !differ.is_empty() {
        differ.sort_unstable();
        return Found::Other(format!("made with another {}", differ.join(", another ")));
    }
    let failed = pairs.get(FAILED).and_then(|failed| failed.parse().ok());
    let (content, failed) = (content.clone(), failed.unwrap_or(0));
    let mut found = Content::default();
    let read = file.build().map_err(anyhow::Error::from).and_then(|rows| {
        for batch in rows {
            found.add(&batch?)?;
        }
        Ok((found.rows(), found.end()))
    });
    match read {
        Ok((rows, digest)) if digest == content => Found::Finished { rows, failed },
        Ok(_) => Found::Damaged("its rows are not those that were written".to_owned()),
        Err(error) => Found::Damaged(format!("{error:#}")),
    }
}
