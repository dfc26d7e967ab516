//! Reads the files of a data set as a stream of records: Parquet, JSON lines, webdataset tars, folders of images.

mod folder;
mod json_lines;
mod parquet_rows;
mod tars;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, bail};

use super::record::{At, Fault, LeftOut, Place, Problem, Record, SourceEvent};
use crate::dataset::files::{Listing, ends_in, list};
use crate::dataset::pipeline::{Closed, Sender};

/// Kinds of files, by their endings.
const ENDINGS: [(&str, Format); 7] = [
    ("parquet", Format::Parquet),
    ("jsonl", Format::JsonLines),
    ("ndjson", Format::JsonLines),
    ("jsonlines", Format::JsonLines),
    ("tar", Format::Tar),
    ("tar.gz", Format::Compressed),
    ("tgz", Format::Compressed),
];

#[derive(Debug, Clone, PartialEq, Eq)]
enum Format {
    Parquet,
    JsonLines,
    Tar,
    /// A compressed tar, which training does not read.
    Compressed,
    /// A folder of images with texts of the same name.
    Folder,
    /// A file that is not read.
    LeftOut(LeftOut),
    /// Something that cannot be accessed, with the reason.
    Unreadable(String),
}

/// One file of a data set, or a folder of images.
#[derive(Debug, Clone)]
pub struct Source {
    path: PathBuf,
    name: Arc<str>,
    format: Format,
}

/// Receives records, up to a limit.
#[derive(Debug)]
pub struct Sink {
    sender: Sender<SourceEvent>,
    left: u64,
}

impl Sink {
    pub fn new(sender: Sender<SourceEvent>, limit: Option<u64>) -> Self {
        let left = limit.unwrap_or(u64::MAX);
        Self { sender, left }
    }

    fn record(&mut self, record: Record) -> Result<(), Closed> {
        if self.left == 0 {
            return Err(Closed);
        }
        self.left -= 1;
        self.send(SourceEvent::Record(Box::new(record)))
    }

    fn broken(
        &mut self,
        place: Place,
        fault: Fault,
        reason: impl Into<String>,
    ) -> Result<(), Closed> {
        if self.left == 0 {
            return Err(Closed);
        }
        self.send(SourceEvent::Broken(place, Problem::new(fault, reason)))
    }

    fn left_out(&mut self, place: Place, why: LeftOut) -> Result<(), Closed> {
        if self.left == 0 {
            return Err(Closed);
        }
        self.send(SourceEvent::LeftOut(place, why))
    }

    fn send(&self, found: SourceEvent) -> Result<(), Closed> {
        self.sender.send(found)
    }
}

impl Source {
    fn new(path: PathBuf, format: Format) -> Self {
        let name = path.display().to_string().into();
        Self { path, name, format }
    }

    /// Sends all records to the sink, always in the same order. Parts that cannot be read are reported, and reading
    /// continues after them.
    ///
    /// # Errors
    /// If the receiver was dropped.
    pub fn read(&self, sink: &mut Sink) -> Result<(), Closed> {
        match &self.format {
            Format::Parquet => parquet_rows::read(self, sink),
            Format::JsonLines => json_lines::read(self, sink),
            Format::Tar => tars::read(self, sink),
            Format::Folder => folder::read(self, sink),
            Format::Compressed => {
                let reason = "the tar is compressed; training reads only uncompressed tars";
                sink.broken(self.place(At::File), Fault::UnreadableFile, reason)
            }
            Format::LeftOut(why) => sink.left_out(self.place(At::File), *why),
            Format::Unreadable(reason) => {
                sink.broken(self.place(At::File), Fault::UnreadableFile, reason.as_str())
            }
        }
    }

    fn place(&self, at: At) -> Place {
        Place {
            file: self.name.clone(),
            at,
        }
    }

    fn total(&self) -> Option<u64> {
        match &self.format {
            Format::Parquet => parquet_rows::total(self),
            Format::JsonLines => json_lines::total(self),
            Format::Compressed | Format::LeftOut(_) | Format::Unreadable(_) => Some(0),
            Format::Tar | Format::Folder => None,
        }
    }
}

/// The files that names and patterns match, each once, in order. A folder stands for its data files or, if it has none, for
/// its images.
///
/// # Errors
/// If a name does not exist or has an unknown ending.
pub fn find(names: &[String]) -> anyhow::Result<Vec<Source>> {
    let mut found: Vec<Source> = Vec::new();
    for name in names {
        for path in paths(name)? {
            let sources = if path.is_dir() {
                of_folder(&path)
            } else {
                vec![of_file(path)?]
            };
            for source in sources {
                if !found.iter().any(|known| known.path == source.path) {
                    found.push(source);
                }
            }
        }
    }
    Ok(found)
}

fn paths(name: &str) -> anyhow::Result<Vec<PathBuf>> {
    let path = PathBuf::from(name);
    if path.exists() {
        return Ok(vec![path]);
    }
    if !name.contains(['*', '?', '[']) {
        bail!("{name} does not exist");
    }
    let pattern = glob::glob(name).with_context(|| format!("{name} is not a valid pattern"))?;
    let paths = pattern
        .collect::<Result<Vec<_>, _>>()
        .with_context(|| format!("cannot look for {name}"))?;
    if paths.is_empty() {
        bail!("nothing matches {name}");
    }
    Ok(paths)
}

/// The kind of file that a name indicates.
fn format(name: &str) -> Option<Format> {
    let known = ENDINGS.iter().find(|(ending, _)| ends_in(name, &[ending]));
    known.map(|(_, format)| format.clone())
}

fn of_file(path: PathBuf) -> anyhow::Result<Source> {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let Some(format) = format(&name) else {
        bail!(
            "{} does not end in .parquet, .jsonl or .tar; for images, name their folder",
            path.display()
        );
    };
    Ok(Source::new(path, format))
}

/// The data files below a folder, followed by the files that are left out.
fn of_folder(folder: &Path) -> Vec<Source> {
    let mut listing = Listing::default();
    list(folder, &ENDINGS.map(|(ending, _)| ending), &mut listing);
    if listing.files.is_empty() {
        return vec![Source::new(folder.to_owned(), Format::Folder)];
    }
    let mut found = Vec::new();
    for (ending, format) in ENDINGS {
        let of_format = listing
            .files
            .iter()
            .filter(|it| ends_in(&it.name, &[ending]));
        found.extend(of_format.map(|file| Source::new(file.path.clone(), format.clone())));
    }
    for unreadable in listing.unreadable {
        let path = folder.join(unreadable.name);
        found.push(Source::new(path, Format::Unreadable(unreadable.reason)));
    }
    let others = listing.others.into_iter().map(|it| it.path);
    let left_out = listing.left_out.into_iter().map(|name| folder.join(name));
    for path in others.chain(left_out) {
        let is_hidden = path
            .file_name()
            .is_some_and(|name| name.to_string_lossy().starts_with('.'));
        let why = match is_hidden {
            true => LeftOut::Hidden,
            false => LeftOut::OtherEnding,
        };
        found.push(Source::new(path, Format::LeftOut(why)));
    }
    found
}

/// The number of records, if every file can tell it.
pub fn total(sources: &[Source], limit: Option<u64>) -> Option<u64> {
    let all: Option<u64> = sources.iter().map(Source::total).sum();
    match (all, limit) {
        (Some(all), Some(limit)) => Some(all.min(limit)),
        (all, _) => all,
    }
}
