//! What is in a folder: images by their names, and the attributes that change while a file is written.

use std::fs::{self, Metadata};
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use crate::dataset::image_files::is_image;

/// The attributes that change while a file is written. Its inode is not among them: some network shares give a file another
/// one each time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stamp {
    /// Time of the last modification, as the file system says.
    pub modified: SystemTime,
    /// Size.
    pub bytes: u64,
}

impl Stamp {
    /// Reads the attributes of a file; a link is not followed.
    ///
    /// # Errors
    /// That of the file system.
    pub fn of(path: &Path) -> io::Result<Self> {
        Self::from(&fs::symlink_metadata(path)?)
    }

    /// The attributes in metadata.
    ///
    /// # Errors
    /// The file system has no times.
    pub fn from(metadata: &Metadata) -> io::Result<Self> {
        Ok(Self {
            modified: metadata.modified()?,
            bytes: metadata.len(),
        })
    }
}

/// The images in a folder.
#[derive(Debug, Default)]
pub struct Found {
    /// Their paths below the folder, in no order.
    pub images: Vec<PathBuf>,
    /// Why a folder in it could not be read.
    pub trouble: Option<String>,
}

/// Lists images by their names; their attributes are not read. Hidden names, links, and everything in `left_out` are left
/// out.
///
/// # Errors
/// The folder itself cannot be read.
pub fn images_in(folder: &Path, is_recursive: bool, left_out: &[PathBuf]) -> io::Result<Found> {
    let mut found = Found::default();
    let mut folders = vec![PathBuf::new()];
    while let Some(below) = folders.pop() {
        let listed = list(folder, &below, is_recursive, &mut found.images);
        match listed {
            Ok(more) => {
                let entered = |below: &PathBuf| !is_one_of(&folder.join(below), left_out);
                folders.extend(more.into_iter().filter(entered));
            }
            Err(error) if below.as_os_str().is_empty() => return Err(error),
            // It was removed meanwhile.
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            Err(error) => {
                let path = folder.join(&below);
                found.trouble = Some(format!("cannot read {}: {error}", path.display()));
            }
        }
    }
    Ok(found)
}

/// Adds the images of one folder, and returns the folders in it.
fn list(
    folder: &Path,
    below: &Path,
    is_recursive: bool,
    images: &mut Vec<PathBuf>,
) -> io::Result<Vec<PathBuf>> {
    let mut folders = Vec::new();
    for entry in fs::read_dir(folder.join(below))? {
        let entry = entry?;
        let name = entry.file_name();
        if name.as_encoded_bytes().starts_with(b".") {
            continue;
        }
        let kind = match entry.file_type() {
            Err(error) if error.kind() == ErrorKind::NotFound => continue,
            kind => kind?,
        };
        let path = below.join(&name);
        let ending = path.extension().and_then(|ending| ending.to_str());
        if kind.is_dir() {
            if is_recursive {
                folders.push(path);
            }
        } else if kind.is_file() && ending.is_some_and(is_image) {
            images.push(path);
        }
    }
    Ok(folders)
}

fn is_one_of(folder: &Path, left_out: &[PathBuf]) -> bool {
    folder
        .canonicalize()
        .is_ok_and(|folder| left_out.contains(&folder))
}
