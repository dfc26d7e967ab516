//! The members of a tar, one after another, and faults of a member or of the tar.

use std::cell::Cell;
use std::io::Read;

use tar::{Archive, Entry};

use super::store::Readable;
use super::tar_file::TarFile;

/// Endings of tars, including compressed ones.
pub const ENDINGS: [&str; 3] = ["tar", "tar.gz", "tgz"];

/// A member that may have content; folders and headers of the whole tar are skipped.
pub struct Member<'a> {
    /// Its path, without a leading `./`.
    pub path: String,
    /// False for links and devices.
    pub has_content: bool,
    entry: Entry<'a, TarFile<Box<dyn Readable>>>,
    is_cut: &'a Cell<bool>,
}

/// The reason why a member cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum Fault {
    /// It exceeds the maximum size.
    #[error("the file has {size} bytes and at most {most} are accepted")]
    TooLarge {
        /// Size of the member.
        size: u64,
        /// The maximum size.
        most: u64,
    },
    /// The tar ends inside it.
    #[error("the tar ends after {found} of its {size} bytes")]
    Cut {
        /// Number of bytes present.
        found: usize,
        /// Number of bytes declared.
        size: u64,
    },
    /// The file cannot be read.
    #[error("cannot be read: {0}")]
    Unreadable(#[from] std::io::Error),
}

impl Member<'_> {
    /// Reads it, unless it exceeds `most` bytes.
    ///
    /// # Errors
    /// [`Fault`] if it cannot be used.
    pub fn bytes(mut self, most: u64) -> Result<Vec<u8>, Fault> {
        let size = self.entry.size();
        if size > most {
            return Err(Fault::TooLarge { size, most });
        }
        let mut bytes = Vec::with_capacity(usize::try_from(size).unwrap_or(0));
        self.entry.read_to_end(&mut bytes)?;
        if (bytes.len() as u64) < size {
            self.is_cut.set(true);
            let found = bytes.len();
            return Err(Fault::Cut { found, size });
        }
        Ok(bytes)
    }
}

/// Calls `visit` for all members, in order. Returns the fault of the tar as a whole, if it is not a tar or is cut off
/// between two members. A tar that ends inside a member is reported by [`Member::bytes`] alone.
///
/// # Errors
/// The error of `visit`.
pub fn visit<E>(
    file: std::io::Result<Box<dyn Readable>>,
    mut visit: impl FnMut(Member<'_>) -> Result<(), E>,
) -> Result<Result<(), String>, E> {
    let mut archive = match file.and_then(TarFile::new) {
        Ok(file) => Archive::new(file),
        Err(error) => return Ok(Err(error.to_string())),
    };
    let entries = match archive.entries_with_seek() {
        Ok(entries) => entries,
        Err(error) => return Ok(Err(error.to_string())),
    };
    let is_cut = Cell::new(false);
    for entry in entries {
        let entry = match entry {
            Ok(entry) => entry,
            // The position of the next member is unknown.
            Err(error) => return Ok(Err(format!("the rest cannot be read: {error}"))),
        };
        is_cut.set(false);
        let kind = entry.header().entry_type();
        if kind.is_dir() || kind.is_pax_global_extensions() {
            continue;
        }
        let path = String::from_utf8_lossy(&entry.path_bytes()).into_owned();
        visit(Member {
            path: path.strip_prefix("./").map(str::to_owned).unwrap_or(path),
            has_content: kind.is_file() || kind.is_contiguous(),
            entry,
            is_cut: &is_cut,
        })?;
    }
    if !is_cut.get() && !archive.into_inner().is_at_end() {
        return Ok(Err("is cut short: members may be missing".to_owned()));
    }
    Ok(Ok(()))
}
