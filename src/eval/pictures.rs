//! The images of a benchmark, read one after another.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use bytes::Bytes;

use super::broken::Broken;
use super::rows::Table;
use crate::dataset::pipeline::Closed;
use crate::preprocess::ImageError;

/// The source of images.
pub enum Pictures {
    /// Files, without repetition.
    Files(PictureFiles),
    /// Columns of a table: the image of row r and column c is number r · columns + c.
    Columns(Table, &'static [&'static str]),
}

/// Image files in order of first occurrence.
#[derive(Debug, Default)]
pub struct PictureFiles {
    files: Vec<PathBuf>,
    known: HashMap<PathBuf, usize>,
}

impl PictureFiles {
    /// Index of a file.
    pub fn add(&mut self, path: PathBuf) -> usize {
        if let Some(index) = self.known.get(&path) {
            return *index;
        }
        let index = self.files.len();
        self.known.insert(path.clone(), index);
        self.files.push(path);
        index
    }
}

/// An image that was read.
pub struct Read {
    pub index: usize,
    /// Its name for messages.
    pub place: String,
    /// Its bytes, or the reason why there are none.
    pub bytes: Result<Bytes, String>,
}

impl Pictures {
    /// Number of images.
    pub fn len(&self) -> usize {
        match self {
            Self::Files(files) => files.files.len(),
            Self::Columns(table, columns) => table.rows() * columns.len(),
        }
    }

    /// Reads all of them; a fault of a file concerns the images that are then missing.
    ///
    /// # Errors
    /// [`Closed`] if the receiver wants no more.
    pub fn read(
        &self,
        most_bytes: usize,
        take: &mut dyn FnMut(Result<Read, Broken>) -> Result<(), Closed>,
    ) -> Result<(), Closed> {
        match self {
            Self::Files(files) => {
                for (index, path) in files.files.iter().enumerate() {
                    take(Ok(Read {
                        index,
                        place: path.display().to_string(),
                        bytes: read_file(path, most_bytes),
                    }))?;
                }
                Ok(())
            }
            Self::Columns(table, columns) => table.images(columns, &mut |found| {
                take(found.map(|picture| Read {
                    index: picture.row * columns.len() + picture.column,
                    place: picture.place,
                    bytes: picture.bytes.ok_or_else(|| "the cell is empty".to_owned()),
                }))
            }),
        }
    }
}

/// Checks the size first, so that a video among the pictures is refused without being read.
fn read_file(path: &Path, most_bytes: usize) -> Result<Bytes, String> {
    let failed = |error: std::io::Error| format!("cannot be read: {error}");
    let size = std::fs::metadata(path).map_err(failed)?.len();
    let bytes = usize::try_from(size).unwrap_or(usize::MAX);
    if bytes > most_bytes {
        let limit = most_bytes;
        return Err(ImageError::TooManyBytes { bytes, limit }.to_string());
    }
    std::fs::read(path).map(Bytes::from).map_err(failed)
}
