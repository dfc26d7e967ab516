//! Inspections that wait for the database: each is a file, with its images stored already. They are stored in the order of
//! their ids, once each, also after a kill.

use std::collections::{BTreeMap, HashMap};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use parking_lot::Mutex;
use serde::{Deserialize, Serialize};

use super::error::ReviewError;
use super::events::Dated;
use super::image_hash::ImageHash;
use super::new_inspection::NewInspection;
use crate::whole_file;

/// Inspections that may wait, at most: about half an hour of fifty a second.
const MOST: usize = 100_000;

/// What is in a file.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Record {
    pub inspection: NewInspection,
    pub events: Vec<Dated>,
}

/// The files in a folder, and what must be known of them without reading them.
#[derive(Debug)]
pub(super) struct Waiting {
    folder: PathBuf,
    entries: Mutex<Entries>,
    /// Held while a file is written: a key means one file.
    adding: tokio::sync::Mutex<()>,
}

#[derive(Debug, Default)]
struct Entries {
    /// By id.
    all: BTreeMap<String, Entry>,
    /// Ids by line and idempotency key.
    keys: HashMap<(String, String), String>,
}

#[derive(Debug)]
struct Entry {
    line: String,
    key: Option<String>,
    content: String,
    images: Vec<ImageHash>,
    /// A calibrated line sent it to review.
    is_for_review: bool,
}

/// Whether an inspection waits.
#[derive(Debug)]
pub(super) enum Added {
    /// From now on.
    New,
    /// One with its key waits already.
    Known(Box<NewInspection>),
}

impl Waiting {
    /// What waits in a folder. The folder is created with the first file.
    ///
    /// # Errors
    /// [`ReviewError::File`].
    pub fn open(folder: PathBuf) -> Result<Self, ReviewError> {
        let waiting = Self {
            folder,
            entries: Mutex::default(),
            adding: tokio::sync::Mutex::default(),
        };
        waiting.look()?;
        Ok(waiting)
    }

    /// Notes files that are not known: those of an earlier process, or of one that ends now.
    ///
    /// # Errors
    /// [`ReviewError::File`].
    pub fn look(&self) -> Result<(), ReviewError> {
        let failed = |reason| self.failed(&self.folder, reason);
        let files = match std::fs::read_dir(&self.folder) {
            Ok(files) => files,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
            Err(error) => return Err(failed(error)),
        };
        for file in files {
            let path = file.map_err(failed)?.path();
            // A kill has left what is not finished: it was not acknowledged.
            if path.extension().is_none_or(|ending| ending != "json") {
                continue;
            }
            let id = path.file_stem().and_then(|name| name.to_str());
            if id.is_some_and(|id| self.entries.lock().all.contains_key(id)) {
                continue;
            }
            match read(&path) {
                Ok(Some(record)) => self.entries.lock().add(&record.inspection),
                Ok(None) => {}
                Err(error @ ReviewError::Content(_)) => self.set_aside(&path, &error)?,
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Number of inspections.
    pub fn len(&self) -> usize {
        self.entries.lock().all.len()
    }

    /// Whether an image is that of one of them.
    pub fn shows(&self, image: &ImageHash) -> bool {
        let entries = self.entries.lock();
        entries.all.values().any(|one| one.images.contains(image))
    }

    /// The first of a line with one of these images that a calibrated line sent to review.
    pub fn reviewed_with(&self, line: &str, images: &[ImageHash]) -> Option<String> {
        let entries = self.entries.lock();
        let found = entries.all.iter().find(|(_, one)| {
            let shows = || one.images.iter().any(|image| images.contains(image));
            one.is_for_review && one.line == line && shows()
        });
        found.map(|(id, _)| id.clone())
    }

    /// The one with an idempotency key. `content` is [`ImageHash::of_all`] of the images that came with the key now.
    ///
    /// # Errors
    /// [`ReviewError::KeyReused`] if the images are others, and others.
    pub fn by_key(
        &self,
        line: &str,
        key: &str,
        content: &str,
    ) -> Result<Option<Box<NewInspection>>, ReviewError> {
        let id = {
            let entries = self.entries.lock();
            let key = (line.to_owned(), key.to_owned());
            let Some(id) = entries.keys.get(&key) else {
                return Ok(None);
            };
            let known = entries.all.get(id);
            if known.is_some_and(|known| known.content != content) {
                return Err(ReviewError::KeyReused(id.clone()));
            }
            id.clone()
        };
        // It may have been stored meanwhile.
        Ok(read(&self.path(&id))?.map(|record| Box::new(record.inspection)))
    }

    /// Adds one. It is on disk when this returns.
    ///
    /// # Errors
    /// [`ReviewError::KeyReused`], [`ReviewError::TooManyWait`] and others.
    pub async fn add(self: Arc<Self>, record: Record) -> Result<Added, ReviewError> {
        let _adding = self.adding.lock().await;
        let new = &record.inspection;
        if let Some(key) = &new.idempotency_key
            && let Some(known) = self.by_key(&new.line, key, &new.content())?
        {
            return Ok(Added::Known(known));
        }
        if self.len() >= MOST {
            return Err(ReviewError::TooManyWait(MOST));
        }
        let (path, text) = (self.path(&new.id), serde_json::to_vec(&record)?);
        let folder = self.folder.clone();
        let written = tokio::task::spawn_blocking(move || {
            if !folder.exists() {
                std::fs::create_dir_all(&folder)?;
                whole_file::sync_folder_of(&folder)?;
            }
            whole_file::replace(&path, |mut file| file.write_all(&text))
        });
        let written = written.await.map_err(std::io::Error::other);
        written
            .and_then(|written| written)
            .map_err(|reason| self.failed(&self.path(&new.id), reason))?;
        self.entries.lock().add(new);
        Ok(Added::New)
    }

    /// The oldest. `None` if there is none.
    ///
    /// # Errors
    /// [`ReviewError::File`] if it cannot be read.
    pub fn first(&self) -> Result<Option<Record>, ReviewError> {
        loop {
            let id = self.entries.lock().all.keys().next().cloned();
            let Some(id) = id else {
                return Ok(None);
            };
            match read(&self.path(&id)) {
                Ok(Some(record)) => return Ok(Some(record)),
                // Another process has stored it.
                Ok(None) => {
                    self.entries.lock().remove(&id);
                }
                Err(error @ ReviewError::Content(_)) => {
                    self.set_aside(&self.path(&id), &error)?;
                    self.entries.lock().remove(&id);
                }
                Err(error) => return Err(error),
            }
        }
    }

    /// Removes one that was stored.
    ///
    /// # Errors
    /// [`ReviewError::File`].
    pub fn stored(&self, id: &str) -> Result<(), ReviewError> {
        let path = self.path(id);
        match std::fs::remove_file(&path) {
            // After a power failure it may be there again: it is stored once all the same.
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                return Err(self.failed(&path, error));
            }
            _ => {}
        }
        self.entries.lock().remove(id);
        Ok(())
    }

    /// Keeps one that the database will never take, for a person, so that the others go on.
    ///
    /// # Errors
    /// [`ReviewError::File`].
    pub fn refused(&self, id: &str, why: &ReviewError) -> Result<(), ReviewError> {
        self.set_aside(&self.path(id), why)?;
        self.entries.lock().remove(id);
        Ok(())
    }

    fn set_aside(&self, path: &Path, why: &ReviewError) -> Result<(), ReviewError> {
        let aside = path.with_extension("refused");
        tracing::error!(file = %aside.display(), error = %why, "a waiting inspection cannot be stored, and is kept in a file");
        let moved = std::fs::rename(path, &aside).and_then(|()| whole_file::sync_folder_of(path));
        moved.map_err(|reason| self.failed(path, reason))
    }

    fn path(&self, id: &str) -> PathBuf {
        self.folder.join(format!("{id}.json"))
    }

    fn failed(&self, path: &Path, reason: std::io::Error) -> ReviewError {
        ReviewError::File {
            path: path.to_owned(),
            reason,
        }
    }
}

impl Entries {
    fn add(&mut self, new: &NewInspection) {
        let entry = Entry {
            line: new.line.clone(),
            key: new.idempotency_key.clone(),
            content: new.content(),
            images: new.images.iter().map(|image| image.hash.clone()).collect(),
            is_for_review: new.decision == "review" && new.calibration.is_some(),
        };
        if let Some(key) = &entry.key {
            let key = (entry.line.clone(), key.clone());
            self.keys.entry(key).or_insert_with(|| new.id.clone());
        }
        self.all.insert(new.id.clone(), entry);
    }

    fn remove(&mut self, id: &str) {
        let Some(entry) = self.all.remove(id) else {
            return;
        };
        if let Some(key) = entry.key {
            let key = (entry.line, key);
            if self.keys.get(&key).is_some_and(|known| known == id) {
                self.keys.remove(&key);
            }
        }
    }
}

/// A file; `None` if it is not there.
fn read(path: &Path) -> Result<Option<Record>, ReviewError> {
    match std::fs::read(path) {
        Ok(text) => Ok(Some(serde_json::from_slice(&text)?)),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(reason) => Err(ReviewError::File {
            path: path.to_owned(),
            reason,
        }),
    }
}
