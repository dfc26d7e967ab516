//! Checks whether a file is the finished output of the same work.

use std::collections::HashMap;

use super::content::Content;
use super::table::{CONTENT, FAILED, builder};
use crate::dataset::store::{Access, Blob, Chunks};

/// The state of the place of an output.
#[derive(Debug)]
pub enum OutputState {
    /// The complete output: its rows, and the number of items that could not be embedded.
    Finished { rows: u64, failed: u64 },
    /// An output of other inputs, another model or another program, with a description of the difference.
    Other(String),
    /// An incomplete or damaged file, with the reason.
    Damaged(String),
}

/// Checks a file: its metadata, and whether its rows are the written ones. The whole file is read.
pub fn look(blob: &Blob, made_by: &HashMap<String, String>) -> OutputState {
    let opened = blob.chunks(Access::Whole).map_err(anyhow::Error::from);
    let file = match opened.and_then(builder::<Chunks>) {
        Ok(file) => file,
        Err(error) => return OutputState::Damaged(format!("{error:#}")),
    };
    let pairs = file.metadata().file_metadata().key_value_metadata();
    let pairs: HashMap<_, _> = pairs
        .into_iter()
        .flatten()
        .filter_map(|pair| Some((pair.key.as_str(), pair.value.clone()?)))
        .collect();
    let Some(content) = pairs.get(CONTENT) else {
        return OutputState::Other("not an output of clip-in embed".to_owned());
    };
    let mut differ: Vec<_> = made_by
        .iter()
        .filter(|(key, value)| pairs.get(key.as_str()) != Some(value))
        .map(|(key, _)| key.trim_start_matches("clip_in_").replace('_', " "))
        .collect();
    if !differ.is_empty() {
        differ.sort_unstable();
        return OutputState::Other(format!("made with another {}", differ.join(", another ")));
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
        Ok((rows, digest)) if digest == content => OutputState::Finished { rows, failed },
        Ok(_) => OutputState::Damaged("its rows differ from those that were written".to_owned()),
        Err(error) => OutputState::Damaged(format!("{error:#}")),
    }
}
