//! Walks a folder and all folders below it; links are followed.

use std::fs::{DirEntry, Metadata};
use std::path::{Path, PathBuf};

use anyhow::Context;

/// An entry of a walk, in order of names.
pub enum Step {
    /// A file; links to files count as files.
    File {
        path: PathBuf,
        /// Its path below the folder, with `/`.
        name: String,
        metadata: Metadata,
    },
    /// A file or folder whose name begins with a dot; such a folder is not entered.
    Hidden { name: String },
    /// Something that cannot be accessed.
    Unreadable(Unreadable),
}

/// A part of a folder that cannot be accessed.
#[derive(Debug, Clone)]
pub struct Unreadable {
    /// Its path below the folder; empty for the folder itself.
    pub name: String,
    /// `folder` or `file`.
    pub kind: &'static str,
    /// A description of the error.
    pub reason: String,
}

/// Calls `visit` for everything below a folder. A link to one of its own parent folders is reported as unreadable.
///
/// # Errors
/// The error of `visit`.
pub fn walk<E>(folder: &Path, visit: &mut impl FnMut(Step) -> Result<(), E>) -> Result<(), E> {
    walk_below(folder, "", &mut Vec::new(), visit)
}

fn walk_below<E>(
    folder: &Path,
    below: &str,
    above: &mut Vec<PathBuf>,
    visit: &mut impl FnMut(Step) -> Result<(), E>,
) -> Result<(), E> {
    let unreadable = |name: &str, kind, reason: String| {
        Step::Unreadable(Unreadable {
            name: name.to_owned(),
            kind,
            reason,
        })
    };
    let looked = folder.canonicalize().map_err(anyhow::Error::from);
    let (place, found) = match looked.and_then(|place| Ok((place, entries(folder)?))) {
        Ok(found) => found,
        Err(error) => return visit(unreadable(below, "folder", format!("{error:#}"))),
    };
    if above.contains(&place) {
        let reason = "the link leads to one of its parent folders and is not followed";
        return visit(unreadable(below, "folder", reason.to_owned()));
    }
    above.push(place);
    for (entry, name) in found {
        let is_hidden = name.starts_with('.');
        let (path, name) = (entry.path(), joined(below, &name));
        if is_hidden {
            visit(Step::Hidden { name })?;
            continue;
        }
        match std::fs::metadata(&path) {
            Ok(metadata) if metadata.is_dir() => walk_below(&path, &name, above, visit)?,
            Ok(metadata) if metadata.is_file() => visit(Step::File {
                path,
                name,
                metadata,
            })?,
            Ok(_) => {
                let reason = "is neither a file nor a folder".to_owned();
                visit(unreadable(&name, "file", reason))?;
            }
            Err(error) => {
                let reason = format!("cannot be read: {error}");
                visit(unreadable(&name, "file", reason))?;
            }
        }
    }
    above.pop();
    Ok(())
}

/// The entries of a folder with their names, sorted by name.
pub fn entries(folder: &Path) -> anyhow::Result<Vec<(DirEntry, String)>> {
    let failed = || format!("cannot read {}", folder.display());
    let mut entries = Vec::new();
    for entry in std::fs::read_dir(folder).with_context(failed)? {
        let entry = entry.with_context(failed)?;
        let name = entry.file_name().to_string_lossy().into_owned();
        entries.push((entry, name));
    }
    entries.sort_by_cached_key(|(entry, _)| entry.file_name());
    Ok(entries)
}

/// A name below a folder; the top folder has an empty name.
pub fn joined(below: &str, name: &str) -> String {
    match below {
        "" => name.to_owned(),
        _ => format!("{below}/{name}"),
    }
}
