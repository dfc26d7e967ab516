//! Files named on the command line, or found below folders named there.

use std::convert::Infallible;
use std::fs::{DirEntry, Metadata};
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};

use super::image_files::DECODED;
use super::left_out::is_beside;
use super::walk::{Step, Unreadable, entries, walk};

/// A file with items.
#[derive(Debug, Clone)]
pub struct Input {
    pub path: PathBuf,
    /// Its path below the named folder, with `/`; its file name if it was named itself.
    pub name: String,
    /// Its metadata from the system.
    pub metadata: Metadata,
}

/// The files that names on the command line lead to.
#[derive(Debug)]
pub struct Listing<T> {
    /// Files to read.
    pub files: Vec<T>,
    /// Other files in the named folders.
    pub others: Vec<T>,
    /// Names of files without items.
    pub left_out: Vec<String>,
    /// Files that could not be accessed.
    pub unreadable: Vec<Unreadable>,
}

impl<T> Default for Listing<T> {
    fn default() -> Self {
        Self {
            files: Vec::new(),
            others: Vec::new(),
            left_out: Vec::new(),
            unreadable: Vec::new(),
        }
    }
}

impl<T> Listing<T> {
    /// Adds a file that was found in a folder.
    pub fn add(&mut self, name: &str, endings: &[&str], found: T) {
        if ends_in(name, endings) {
            self.files.push(found);
        } else if is_beside(name) {
            self.left_out.push(name.to_owned());
        } else {
            self.others.push(found);
        }
    }
}

/// The named files, and the files below the named folders, sorted by name.
///
/// # Errors
/// If a name does not exist, or if a folder has no file with one of the endings.
pub fn find(paths: &[PathBuf], endings: &[&str]) -> anyhow::Result<Listing<Input>> {
    let mut found = Listing::default();
    for path in paths {
        let metadata =
            std::fs::metadata(path).with_context(|| format!("cannot read {}", path.display()))?;
        if !metadata.is_dir() {
            let name = path.file_name().unwrap_or(path.as_os_str());
            found.files.push(Input {
                path: path.clone(),
                name: name.to_string_lossy().into_owned(),
                metadata,
            });
            continue;
        }
        let before = found.files.len();
        list(path, endings, &mut found);
        if found.files.len() == before {
            bail!(
                "there is no .{} file in {}",
                endings.join(" or ."),
                path.display()
            );
        }
    }
    Ok(found)
}

/// Everything below a folder, sorted by name.
pub fn list(folder: &Path, endings: &[&str], found: &mut Listing<Input>) {
    let Ok(()) = walk(folder, &mut |step| {
        match step {
            Step::File {
                path,
                name,
                metadata,
            } => found.add(
                &name.clone(),
                endings,
                Input {
                    path,
                    name,
                    metadata,
                },
            ),
            Step::Hidden { name } => found.left_out.push(name),
            Step::Unreadable(unreadable) => found.unreadable.push(unreadable),
        }
        Ok::<_, Infallible>(())
    });
}

/// Whether a name has one of the endings, in lower or upper case.
pub fn ends_in(name: &str, endings: &[&str]) -> bool {
    let name = name.to_ascii_lowercase();
    endings.iter().any(|ending| {
        name.strip_suffix(ending)
            .is_some_and(|rest| rest.ends_with('.'))
    })
}

/// The entries of a folder that are not hidden.
pub fn shown_entries(folder: &Path) -> anyhow::Result<Vec<(DirEntry, String)>> {
    let mut found = entries(folder)?;
    found.retain(|(_, name)| !name.starts_with('.'));
    Ok(found)
}

/// The images of a folder that can be decoded, without those of folders in it.
pub fn images_in(folder: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let shown = shown_entries(folder)?.into_iter();
    let images = shown.filter(|(_, name)| ends_in(name, &DECODED));
    let paths = images.map(|(entry, _)| entry.path());
    Ok(paths.filter(|path| path.is_file()).collect())
}
