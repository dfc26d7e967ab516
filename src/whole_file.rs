//! Atomic replacement of files: after a kill, a full disk or a power failure a file has its previous content or the new one.

use std::fs::{self, File};
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

/// Replaces the file at `path` with what `write` writes. The content goes to a file beside it, is synced, and is renamed;
/// then the folder is synced, so that the new name survives a power failure. The folder must exist. Two calls must not
/// replace the same file at the same time.
///
/// # Errors
/// The error of `write`, or one of the file system. The previous content is still there then, unless only the sync of the
/// folder failed.
pub fn replace<E: From<io::Error>>(
    path: &Path,
    write: impl FnOnce(&File) -> Result<(), E>,
) -> Result<(), E> {
    let unfinished = unfinished(path)?;
    let written = || {
        let file = File::create(&unfinished)?;
        write(&file)?;
        file.sync_all()?;
        Ok(fs::rename(&unfinished, path)?)
    };
    let replaced = written();
    if replaced.is_err() {
        // On a full disk it would prevent the next write.
        let _ = fs::remove_file(&unfinished);
    }
    replaced.and_then(|()| Ok(sync_folder_of(path)?))
}

/// Syncs the entries of the folder that contains `path`: renames and removals are durable only then. A missing folder and
/// file systems that cannot sync folders are no errors.
///
/// # Errors
/// Errors of the file system.
pub fn sync_folder_of(path: &Path) -> io::Result<()> {
    let folder = match path.parent() {
        Some(folder) if folder != Path::new("") => folder,
        _ => Path::new("."),
    };
    match File::open(folder).and_then(|folder| folder.sync_all()) {
        Err(error) if !can_be_ignored(error.kind()) => Err(error),
        _ => Ok(()),
    }
}

/// `InvalidInput` is the answer of file systems that cannot sync a folder.
fn can_be_ignored(kind: ErrorKind) -> bool {
    matches!(
        kind,
        ErrorKind::NotFound | ErrorKind::InvalidInput | ErrorKind::Unsupported
    )
}

/// The name does not depend on the process: what a killed process has left is overwritten by the next write.
fn unfinished(path: &Path) -> io::Result<PathBuf> {
    let name = path.file_name().ok_or(ErrorKind::IsADirectory)?;
    let mut hidden = std::ffi::OsString::from(".");
    hidden.push(name);
    hidden.push(".unfinished");
    Ok(path.with_file_name(hidden))
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    #[test]
    fn a_failed_write_leaves_the_previous_content_and_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("set.json");
        let put =
            |text: &'static str| replace(&path, move |mut file| file.write_all(text.as_bytes()));
        put("old").unwrap();
        let torn = replace(&path, |mut file| {
            file.write_all(b"ne")?;
            Err(io::Error::from(ErrorKind::StorageFull))
        });
        assert_eq!(torn.unwrap_err().kind(), ErrorKind::StorageFull);
        assert_eq!(fs::read_to_string(&path).unwrap(), "old");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
        // What a killed process has left.
        fs::write(folder.path().join(".set.json.unfinished"), "a longer rest").unwrap();
        put("new").unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "new");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }
}
