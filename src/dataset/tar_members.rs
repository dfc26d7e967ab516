//! The members of a tar, one after the other, and what is wrong with one or with the tar.

use std::cell::Cell;
use std::io::Read;

use tar::{Archive, Entry};

use super::store::Readable;
use super::tar_file::TarFile;

/// Endings of tars, compressed ones too.
pub const ENDINGS: [&str; 3] = ["tar", "tar.gz", "tgz"];

/// A member that may hold something: folders and headers that concern the whole tar are not shown.
pub struct Member<'a> {
    /// Its path, without a leading `./`.
    pub path: String,
    /// False for links and devices.
    pub has_content: bool,
    entry: Entry<'a, TarFile<Box<dyn Readable>>>,
    is_cut: &'a Cell<bool>,
}

/// Why a member cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum Fault {
    /// It has more bytes than are accepted.
    #[error("the file has {size} bytes and at most {most} are accepted")]
    TooLarge {
        /// Bytes of the member.
        size: u64,
        /// Bytes that are accepted.
        most: u64,
    },
    /// The tar ends inside it.
    #[error("the tar ends after {found} of its {size} bytes")]
    Cut {
        /// Bytes that are there.
        found: usize,
        /// Bytes that should be there.
        size: u64,
    },
    /// The file cannot be read.
    #[error("cannot be read: {0}")]
    Unreadable(#[from] std::io::Error),
}

impl Member<'_> {
    /// Reads it, unless it has more than `most` bytes.
    ///
    /// # Errors
    /// [`Fault`] says why it cannot be used.
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

/// Shows all members to `visit`, in their order. Returns what is wrong with the tar as a whole: it is no tar, or is cut short
/// between two members. A tar that ends inside a member is reported by [`Member::bytes`] alone.
///
/// # Errors
/// What `visit` gives.
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
            // Where the next member begins is unknown.
            Err(error) => return Ok(Err(format!("what follows cannot be read: {error}"))),
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
