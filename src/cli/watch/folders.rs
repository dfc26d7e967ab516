//! The folder that is watched, and the two into which files are moved.

use std::collections::HashSet;
use std::fs::{self, File};
use std::io::{self, ErrorKind, Write as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use parking_lot::Mutex;

use super::listing::{Found, images_in};
use crate::whole_file;

/// The file in the folder of inspected images that keeps a second process away.
const LOCK: &str = ".clip-in-watch.lock";

/// Longest name that is kept, in bytes.
const LONGEST_NAME: usize = 200;

/// The three folders.
#[derive(Debug)]
pub struct Folders {
    watched: PathBuf,
    done: PathBuf,
    refused: PathBuf,
    is_recursive: bool,
    /// The last two, without links.
    left_out: Vec<PathBuf>,
    /// Places that are being filled.
    taken: Mutex<HashSet<PathBuf>>,
    _lock: File,
}

/// Where a file goes.
#[derive(Debug, Clone, Copy)]
pub enum Kind {
    /// It was inspected.
    Done,
    /// It was refused.
    Refused,
}

/// The paths for an image and for its record. Both are reserved until this value is dropped.
#[derive(Debug)]
pub struct Place<'a> {
    folders: &'a Folders,
    image: PathBuf,
    record: PathBuf,
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.folders.taken.lock().remove(&self.image);
    }
}

/// What is read of a record.
#[derive(serde::Deserialize)]
struct Recorded {
    idempotency_key: String,
}

impl Folders {
    /// Checks the folder that is watched, and makes the other ones.
    ///
    /// # Errors
    /// A folder is missing or cannot be made, they are not in one file system, or another process uses them.
    pub fn open(
        watched: &Path,
        done: Option<&Path>,
        refused: Option<&Path>,
        is_recursive: bool,
    ) -> anyhow::Result<Self> {
        let cannot = |path: &Path| format!("cannot read {}", path.display());
        let metadata = fs::metadata(watched).with_context(|| cannot(watched))?;
        if !metadata.is_dir() {
            bail!(
                "{} is a file: name the folder that it is in",
                watched.display()
            );
        }
        let place = watched.canonicalize().with_context(|| cannot(watched))?;
        let mut left_out = Vec::new();
        let mut folder = |given: Option<&Path>, option: &str| {
            let path = given.map_or_else(|| watched.join(option), Path::to_owned);
            fs::create_dir_all(&path).with_context(|| format!("cannot make {}", path.display()))?;
            let device = fs::metadata(&path).with_context(|| cannot(&path))?.dev();
            if device != metadata.dev() {
                bail!(in_one_file_system(&path, option));
            }
            let real = path.canonicalize().with_context(|| cannot(&path))?;
            if real == place {
                bail!("--{option} is the folder that is watched: name another one");
            }
            left_out.push(real);
            Ok(path)
        };
        let done = folder(done, "done")?;
        let refused = folder(refused, "refused")?;
        Ok(Self {
            watched: watched.to_owned(),
            _lock: lock(&done)?,
            done,
            refused,
            is_recursive,
            left_out,
            taken: Mutex::default(),
        })
    }

    /// The images in the folder that is watched.
    ///
    /// # Errors
    /// It cannot be read.
    pub fn images(&self) -> io::Result<Found> {
        images_in(&self.watched, self.is_recursive, &self.left_out)
    }

    /// The path of a file that is watched.
    pub fn path(&self, name: &Path) -> PathBuf {
        self.watched.join(name)
    }

    /// A free place for a file. What is there is never replaced: a second file of the name gets the start of its key into
    /// its name. A record without an image, which a killed process has left, is replaced by the one with the same key.
    ///
    /// # Errors
    /// Errors of the file system.
    pub fn place(&self, kind: Kind, name: &Path, key: &str) -> io::Result<Place<'_>> {
        let folder = match kind {
            Kind::Done => &self.done,
            Kind::Refused => &self.refused,
        };
        let start = key.get(..12).unwrap_or(key);
        let first = shortened(&folder.join(name), start);
        if let Some(parent) = first.parent() {
            fs::create_dir_all(parent)?;
        }
        for number in 0_u32.. {
            let image = match number {
                0 => first.clone(),
                1 => with_suffix(&first, start),
                // The same name and content for the third time.
                _ => with_suffix(&first, &format!("{start}-{number}")),
            };
            let mut record = image.clone().into_os_string();
            record.push(".json");
            let record = PathBuf::from(record);
            if !self.taken.lock().insert(image.clone()) {
                continue;
            }
            let place = Place {
                folders: self,
                image,
                record,
            };
            if place.is_free(key)? {
                return Ok(place);
            }
        }
        Err(ErrorKind::AlreadyExists.into())
    }
}

impl Place<'_> {
    fn is_free(&self, key: &str) -> io::Result<bool> {
        if exists(&self.image)? {
            return Ok(false);
        }
        match fs::read(&self.record) {
            Ok(record) => {
                let recorded: Option<Recorded> = serde_json::from_slice(&record).ok();
                Ok(recorded.is_some_and(|recorded| recorded.idempotency_key == key))
            }
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(true),
            Err(error) => Err(error),
        }
    }

    /// Writes what is known about the image; it is on disk then.
    ///
    /// # Errors
    /// Errors of the file system.
    pub fn record(&self, text: &str) -> io::Result<()> {
        whole_file::replace(&self.record, |mut file| {
            file.write_all(text.as_bytes())?;
            file.write_all(b"\n")
        })
    }

    /// Moves the image from the folder that is watched. Nothing happens if somebody has taken it away.
    ///
    /// # Errors
    /// Errors of the file system.
    pub fn take(self, name: &Path) -> io::Result<()> {
        let from = self.folders.path(name);
        match fs::rename(&from, &self.image) {
            Err(error) if error.kind() == ErrorKind::NotFound && !exists(&from)? => Ok(()),
            moved => moved,
        }
    }
}

/// What to do if a folder is in another file system than the one that is watched.
pub fn in_one_file_system(path: &Path, option: &str) -> String {
    format!(
        "{} is in another file system than the folder that is watched: files are moved, not copied. Name a folder in the same \
         file system with --{option}",
        path.display()
    )
}

fn exists(path: &Path) -> io::Result<bool> {
    match fs::symlink_metadata(path) {
        Ok(_) => Ok(true),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}

/// `a.png` becomes `a-SUFFIX.png`.
fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.file_stem().unwrap_or_default().to_owned();
    name.push("-");
    name.push(suffix);
    if let Some(ending) = path.extension() {
        name.push(".");
        name.push(ending);
    }
    path.with_file_name(name)
}

/// A long name gets an end that is its own: names of files that stand beside it are longer, and file systems take 255 bytes.
fn shortened(path: &Path, suffix: &str) -> PathBuf {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    if name.len() <= LONGEST_NAME {
        return path.to_owned();
    }
    let ending = path.extension().unwrap_or_default().to_string_lossy();
    let end = (0..=LONGEST_NAME / 2)
        .rev()
        .find(|end| name.is_char_boundary(*end));
    let start = name.get(..end.unwrap_or_default()).unwrap_or_default();
    path.with_file_name(format!("{start}-{suffix}.{ending}"))
}

/// Two processes on one folder would move each other's files.
fn lock(folder: &Path) -> anyhow::Result<File> {
    let path = folder.join(LOCK);
    let options = File::options().create(true).append(true).open(&path);
    let file = options.with_context(|| format!("cannot write {}", path.display()))?;
    match file.try_lock() {
        Ok(()) => {}
        Err(fs::TryLockError::WouldBlock) => bail!(
            "another `clip-in watch` uses {}: end it, or name another folder with --done",
            folder.display()
        ),
        Err(fs::TryLockError::Error(error)) => message!(
            "clip-in: {} cannot be locked ({error}): let no second `clip-in watch` use this folder",
            path.display()
        ),
    }
    Ok(file)
}
