//! Label sets on disk: one JSON file for each set, replaced atomically.

use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::definition::{Definition, check_name};
use crate::byte_order_mark;
use crate::matching::Prototypes;
use crate::preprocess::ImageOptions;

/// A folder with one file per label set.
#[derive(Debug)]
pub struct Store {
    folder: PathBuf,
}

/// Vectors of a set's labels, and the model that computed them.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Embedded {
    /// Name of the model.
    pub model: String,
    /// The model's content: see [`crate::engine::Model::fingerprint`].
    pub fingerprint: String,
    /// The image options of its example images.
    #[serde(default)]
    pub image_options: ImageOptions,
    /// The vectors.
    pub prototypes: Prototypes,
}

/// The content of a file.
#[derive(Debug, Clone, Deserialize)]
pub struct Stored {
    /// The definition from the user.
    pub definition: Definition,
    /// Time of the PUT, in seconds since 1970.
    pub created: u64,
    /// Its vectors, and the model that computed them.
    pub embedded: Option<Embedded>,
}

/// The same for writing: a set with many images is not copied in memory.
#[derive(Debug, Serialize)]
pub struct ToStore<'a> {
    /// The definition from the user.
    pub definition: &'a Definition,
    /// Time of the PUT, in seconds since 1970.
    pub created: u64,
    /// Its vectors, and the model that computed them.
    pub embedded: Option<&'a Embedded>,
}

impl Store {
    /// The folder is created when the first set is written.
    pub fn new(folder: PathBuf) -> Self {
        Self { folder }
    }

    /// All sets by name. A file that cannot be read is an error that names it: otherwise a production line would be the
    /// first to notice a missing set.
    ///
    /// # Errors
    /// Errors of the file system or the parser.
    pub fn read_all(&self) -> io::Result<Vec<(String, Stored)>> {
        let entries = match fs::read_dir(&self.folder) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(vec![]),
            Err(error) => return Err(at(&self.folder, error)),
        };
        let mut found = Vec::new();
        for entry in entries {
            let path = entry?.path();
            let name = path
                .file_name()
                .and_then(|n| n.to_str())
                .and_then(|n| n.strip_suffix(".json"));
            let Some(name) = name.filter(|name| check_name(name).is_ok()) else {
                continue; // an interrupted write, or a file of another program
            };
            let text = fs::read(&path).map_err(|e| at(&path, e))?;
            let stored = serde_json::from_slice(byte_order_mark::dropped(&text))
                .map_err(|e| at(&path, e.into()))?;
            found.push((name.to_owned(), stored));
        }
        Ok(found)
    }

    /// Writes a set. After a crash the file is either the old or the new one.
    ///
    /// # Errors
    /// Errors of the file system.
    pub fn write(&self, name: &str, set: &ToStore) -> io::Result<()> {
        fs::create_dir_all(&self.folder).map_err(|e| at(&self.folder, e))?;
        let path = self.path(name);
        let unfinished = self.folder.join(format!(".{name}.unfinished"));
        let written = File::create(&unfinished).and_then(|mut file| {
            // Serialised as a stream, so that a set with many images is not copied in memory.
            let mut writer = BufWriter::new(&mut file);
            serde_json::to_writer(&mut writer, set)?;
            writer.flush()?;
            drop(writer);
            file.sync_all()
        });
        let renamed = written.and_then(|()| fs::rename(&unfinished, &path));
        if renamed.is_err() {
            // On a full disk it would prevent the next write.
            let _ = fs::remove_file(&unfinished);
        }
        renamed.and_then(|()| self.sync()).map_err(|e| at(&path, e))
    }

    /// Removes a set's file; a missing file is no error.
    ///
    /// # Errors
    /// Errors of the file system.
    pub fn remove(&self, name: &str) -> io::Result<()> {
        let path = self.path(name);
        match fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(at(&path, error)),
            _ => self.sync().map_err(|e| at(&self.folder, e)),
        }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.join(format!("{name}.json"))
    }

    /// Renames and removals are durable only after a sync of the folder.
    fn sync(&self) -> io::Result<()> {
        match File::open(&self.folder) {
            Ok(folder) => folder.sync_all(),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            Err(error) => Err(error),
        }
    }
}

fn at(path: &Path, error: io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("{}: {error}", path.display()))
}
