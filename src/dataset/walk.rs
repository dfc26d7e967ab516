//! A way through a folder and all folders below it, links followed.

use std::fs::Metadata;
use std::path::{Path, PathBuf};

use super::files::{entries, joined};

/// What a walk comes upon, in the order of the names.
pub enum Step {
    /// A file; links to files count as files.
    File {
        path: PathBuf,
        /// Its path below the folder, with `/`.
        name: String,
        metadata: Metadata,
    },
    /// A file or folder whose name begins with a dot; what is in such a folder is not looked at.
    Hidden { name: String },
    /// What cannot be looked at.
    Unreadable(Unreadable),
}

/// A part of a folder that cannot be looked at.
#[derive(Debug, Clone)]
pub struct Unreadable {
    /// Its path below the folder; empty for the folder itself.
    pub name: String,
    /// `folder` or `file`.
    pub kind: &'static str,
    /// For people.
    pub reason: String,
}

/// Shows everything below a folder to `visit`. A link that leads back to a folder which it lies in is shown as unreadable.
///
/// # Errors
/// What `visit` gives.
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
        let reason = "the link leads back to a folder that it lies in, and is not followed";
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
