//! Entries on disk: one JSON file for each, replaced atomically, and one for each old version.

use std::fs::{self, File};
use std::io::{self, BufWriter, ErrorKind, Write};
use std::path::{Path, PathBuf};

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::{Entry, Storable, StoreError};
use crate::{byte_order_mark, whole_file};

/// A folder with the files `NAME.json` and `NAME@VERSION.json`.
#[derive(Debug)]
pub struct Files {
    folder: PathBuf,
    old_versions: u64,
}

/// The content of a file. A program that knew one model only reads and writes `embedded` alone.
#[derive(Debug, Serialize, Deserialize)]
pub struct Stored<D, E> {
    /// The definition from the user.
    pub definition: D,
    /// Its version.
    #[serde(default)]
    pub version: u64,
    /// Time of the PUT, in seconds since 1970.
    pub created: u64,
    /// What was computed for the last model.
    pub embedded: Option<E>,
    /// What was computed for models before.
    #[serde(default = "Vec::new", skip_serializing_if = "Vec::is_empty")]
    pub embedded_before: Vec<E>,
}

/// Checks a name, which is also a file name.
///
/// # Errors
/// [`StoreError::BadName`].
pub fn check_name(name: &str) -> Result<(), StoreError> {
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    let good = (1..=64).contains(&name.len()) && name.chars().all(allowed);
    if good && !name.starts_with('.') {
        Ok(())
    } else {
        Err(StoreError::BadName(name.to_owned()))
    }
}

impl Files {
    /// The folder is created when the first entry is written.
    pub fn new(folder: PathBuf, old_versions: u64) -> Self {
        Self {
            folder,
            old_versions,
        }
    }

    /// All entries by name. A file that cannot be read is an error that names it: otherwise a production line would be the
    /// first to notice a missing entry.
    ///
    /// # Errors
    /// Errors of the file system or the parser.
    pub fn read_all<D: Storable, E: Storable>(&self) -> io::Result<Vec<(String, Stored<D, E>)>> {
        let mut found = Vec::new();
        for file in self.names()? {
            // Others are interrupted writes, old versions, and files of other programs.
            if check_name(&file).is_ok() {
                let stored = read(&self.path(&file))?;
                found.push((file, stored));
            }
        }
        Ok(found)
    }

    /// An old version; `None` if it is not stored.
    ///
    /// # Errors
    /// Errors of the file system or the parser.
    pub fn read_version<D: Storable, E: Storable>(
        &self,
        name: &str,
        version: u64,
    ) -> io::Result<Option<Stored<D, E>>> {
        match read(&self.old_path(name, version)) {
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            read => read.map(Some),
        }
    }

    /// Writes an entry. After a crash the file is either the old or the new one.
    ///
    /// # Errors
    /// Errors of the file system.
    pub fn write<D: Storable, E: Storable>(&self, entry: &Entry<D, E>) -> io::Result<()> {
        fs::create_dir_all(&self.folder).map_err(|e| at(&self.folder, e))?;
        let path = self.path(&entry.name);
        let computed = entry.all_computed();
        let stored = entry.to_store(&computed);
        let written = whole_file::replace(&path, |file| {
            // Serialised as a stream, so that a large definition is not copied in memory.
            let mut writer = BufWriter::new(file);
            serde_json::to_writer(&mut writer, &stored)?;
            writer.flush()
        });
        written.map_err(|e| at(&path, e))
    }

    /// Writes the version after an old one, and keeps the old one if old versions are kept.
    ///
    /// # Errors
    /// Errors of the file system.
    pub fn replace<D: Storable, E: Storable>(
        &self,
        old: u64,
        entry: &Entry<D, E>,
    ) -> io::Result<()> {
        if self.old_versions > 0 {
            let (from, to) = (self.path(&entry.name), self.old_path(&entry.name, old));
            let copied = whole_file::replace(&to, |mut file| {
                io::copy(&mut File::open(&from)?, &mut file).map(drop)
            });
            copied.map_err(|e| at(&to, e))?;
        }
        self.write(entry)?;
        match old.checked_sub(self.old_versions) {
            Some(dropped) if self.old_versions > 0 => remove(&self.old_path(&entry.name, dropped)),
            _ => Ok(()),
        }
    }

    /// Removes an entry, its old versions first; missing files are no error.
    ///
    /// # Errors
    /// Errors of the file system.
    pub fn remove(&self, name: &str) -> io::Result<()> {
        for file in self.names()? {
            if file.split_once('@').is_some_and(|(of, _)| of == name) {
                remove(&self.path(&file))?;
            }
        }
        let path = self.path(name);
        remove(&path)?;
        whole_file::sync_folder_of(&path).map_err(|e| at(&self.folder, e))
    }

    /// The names of all JSON files, without the ending.
    fn names(&self) -> io::Result<Vec<String>> {
        let entries = match fs::read_dir(&self.folder) {
            Ok(entries) => entries,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(vec![]),
            Err(error) => return Err(at(&self.folder, error)),
        };
        let mut names = Vec::new();
        for entry in entries {
            let file = entry.map_err(|e| at(&self.folder, e))?.file_name();
            let name = file.to_str().and_then(|file| file.strip_suffix(".json"));
            names.extend(name.map(str::to_owned));
        }
        Ok(names)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.join(format!("{name}.json"))
    }

    /// A name has no `@`.
    fn old_path(&self, name: &str, version: u64) -> PathBuf {
        self.path(&format!("{name}@{version}"))
    }
}

fn read<T: DeserializeOwned>(path: &Path) -> io::Result<T> {
    let text = fs::read(path).map_err(|e| at(path, e))?;
    serde_json::from_slice(byte_order_mark::dropped(&text)).map_err(|e| at(path, e.into()))
}

fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(at(path, error)),
        _ => Ok(()),
    }
}

fn at(path: &Path, error: io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("{}: {error}", path.display()))
}
