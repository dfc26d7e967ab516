//! Files named on the command line, or below folders named there.

use std::fs::DirEntry;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};

/// A file to read items from.
#[derive(Debug, Clone)]
pub struct Input {
    pub path: PathBuf,
    /// Its path below the folder that was named, with `/`; its file name if it was named itself.
    pub name: String,
}

/// The named files, and those below the named folders that have the ending, in the order of their names.
///
/// # Errors
/// If a name is not there, or a folder has no such file.
pub fn find(paths: &[PathBuf], ending: &str) -> anyhow::Result<Vec<Input>> {
    let mut found = Vec::new();
    for path in paths {
        let kind =
            std::fs::metadata(path).with_context(|| format!("cannot read {}", path.display()))?;
        if !kind.is_dir() {
            let name = path.file_name().unwrap_or(path.as_os_str());
            found.push(Input {
                path: path.clone(),
                name: name.to_string_lossy().into_owned(),
            });
            continue;
        }
        let before = found.len();
        walk(path, "", ending, &mut found)?;
        if found.len() == before {
            bail!("there is no .{ending} file in {}", path.display());
        }
    }
    Ok(found)
}

/// Files below a folder that have the ending, in the order of their names; links to folders are not followed.
pub fn walk(
    folder: &Path,
    below: &str,
    ending: &str,
    found: &mut Vec<Input>,
) -> anyhow::Result<()> {
    for (entry, name) in entries(folder)? {
        let (path, name) = (entry.path(), joined(below, &name));
        if entry.file_type()?.is_dir() {
            walk(&path, &name, ending, found)?;
        } else if path
            .extension()
            .is_some_and(|it| it.eq_ignore_ascii_case(ending))
            && path.is_file()
        {
            found.push(Input { path, name });
        }
    }
    Ok(())
}

/// What is in a folder with its names, in the order of the names; hidden entries are left out.
pub fn entries(folder: &Path) -> anyhow::Result<Vec<(DirEntry, String)>> {
    let failed = || format!("cannot read {}", folder.display());
    let mut entries = Vec::new();
    for entry in std::fs::read_dir(folder).with_context(failed)? {
        let entry = entry.with_context(failed)?;
        let name = entry.file_name().to_string_lossy().into_owned();
        if !name.starts_with('.') {
            entries.push((entry, name));
        }
    }
    entries.sort_by_cached_key(|(entry, _)| entry.file_name());
    Ok(entries)
}

/// A name below a folder; the folder's own is empty at the top.
pub fn joined(below: &str, name: &str) -> String {
    match below {
        "" => name.to_owned(),
        _ => format!("{below}/{name}"),
    }
}
