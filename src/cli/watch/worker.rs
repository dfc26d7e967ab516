//! Takes one file after the other from being whole to its last place.

use std::fs::File;
use std::io::{self, ErrorKind, Read as _};
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::Sender;
use std::time::Duration;

use anyhow::anyhow;
use serde_json::json;
use serde_json::value::to_raw_value;

use super::folders::{Folders, Kind, in_one_file_system};
use super::known::{Outcome, Task};
use super::listing::Stamp;
use super::ready::Ready;
use super::request::{Fields, Line, Reply, key_of};
use crate::cli::line_server::Refusal;
use crate::quoted::quoted;

/// The first pause after temporary trouble; each is twice as long as the one before.
const FIRST_PAUSE: Duration = Duration::from_millis(500);

/// The longest pause.
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// The largest file that is read into memory; a server takes images of 20 MiB, if it is not told otherwise.
const LARGEST: u64 = 1 << 30;

/// What the main thread hears from others.
#[derive(Debug)]
pub enum Event {
    /// A file is finished, or waits.
    Finished(Task, Outcome),
    /// Nothing can be done about any file.
    Failed(anyhow::Error),
    /// The end was asked for.
    Stop,
}

/// What was done so far.
#[derive(Debug, Default)]
pub struct Counts {
    /// Files that were inspected and moved.
    pub answered: AtomicU64,
    /// Files that were refused and moved.
    pub refused: AtomicU64,
    /// Requests that were repeated after temporary trouble.
    pub retried: AtomicU64,
}

/// Why a file cannot be finished now.
enum Trouble {
    /// It may work later.
    Later(String, Option<Duration>),
    /// It needs somebody.
    Fatal(anyhow::Error),
    /// The end was asked for.
    Stopped,
}

/// The content of a file.
enum Content {
    Whole(Vec<u8>),
    Changed,
    Gone,
    Unreadable(io::Error),
    TooLarge,
}

/// One of the threads that send files.
#[derive(Debug)]
pub struct Worker<'a> {
    /// Where files are.
    pub folders: &'a Folders,
    /// Where they are inspected.
    pub line: &'a Line<'a>,
    /// What is to do.
    pub ready: &'a Ready,
    /// What was done.
    pub counts: &'a Counts,
    /// Who hears of it.
    pub events: Sender<Event>,
}

impl Worker<'_> {
    /// Works until the end.
    pub fn run(self) {
        while let Some(task) = self.ready.next() {
            let event = match self.finish(&task) {
                Ok(outcome) => Event::Finished(task, outcome),
                Err(Trouble::Fatal(error)) => Event::Failed(error),
                Err(Trouble::Stopped | Trouble::Later(..)) => return,
            };
            if self.events.send(event).is_err() {
                return;
            }
        }
    }

    /// Tries until there is an outcome.
    fn finish(&self, task: &Task) -> Result<Outcome, Trouble> {
        let mut pause = FIRST_PAUSE;
        loop {
            match self.attempt(task) {
                Err(Trouble::Later(reason, after)) => {
                    let wait = pause.max(after.unwrap_or_default()).min(LONGEST_PAUSE);
                    let name = quoted(&task.name.to_string_lossy());
                    let seconds = wait.as_secs_f64();
                    message!("clip-in: {name}: {reason}; trying again in {seconds} s");
                    if !self.ready.pause(wait) {
                        return Err(Trouble::Stopped);
                    }
                    self.counts.retried.fetch_add(1, Ordering::Relaxed);
                    pause = (2 * pause).min(LONGEST_PAUSE);
                }
                ended => return ended,
            }
        }
    }

    /// Reads the file, has it inspected, writes the answer, and moves the file.
    fn attempt(&self, task: &Task) -> Result<Outcome, Trouble> {
        let name = &task.name;
        let read = read(&self.folders.path(name), task.stamp);
        let content = match read.map_err(|error| later("cannot read it", &error))? {
            Content::Whole(content) => content,
            Content::Changed => return Ok(Outcome::Changed),
            Content::Gone => return Ok(Outcome::Gone),
            Content::Unreadable(error) => {
                let message = format!("the file cannot be read: {error}");
                return self.refuse(
                    task,
                    &key_of(name, b""),
                    refusal("file_unreadable", message),
                );
            }
            Content::TooLarge => {
                let message = format!("the file has more than {} MiB", LARGEST >> 20);
                return self.refuse(task, &key_of(name, b""), refusal("body_too_large", message));
            }
        };
        let key = key_of(name, &content);
        let reply = self.line.inspect(name, &key, &content);
        drop(content);
        match reply {
            Reply::Inspected(answer) => self.keep(task, &key, answer),
            Reply::Refused(refusal) => self.refuse(task, &key, refusal),
            Reply::Later(reason, after) => Err(Trouble::Later(reason, after)),
            Reply::Fatal(error) => Err(Trouble::Fatal(error)),
        }
    }

    /// Writes the answer and moves the file.
    fn keep(&self, task: &Task, key: &str, mut answer: Fields) -> Result<Outcome, Trouble> {
        if self.has_changed(task) {
            return Ok(Outcome::Changed);
        }
        add_file(&mut answer, &task.name, key)?;
        let line = text_of(&answer)?;
        // They are about the request: after a kill another one gets the same answer.
        answer.remove("duplicate");
        answer.remove("queued");
        self.move_to(Kind::Done, task, key, &line, &text_of(&answer)?)?;
        self.counts.answered.fetch_add(1, Ordering::Relaxed);
        Ok(Outcome::Gone)
    }

    /// Lets the file wait after the first refusal: it may not be whole. Moves it after the second one.
    fn refuse(&self, task: &Task, key: &str, refusal: Refusal) -> Result<Outcome, Trouble> {
        if self.has_changed(task) {
            return Ok(Outcome::Changed);
        }
        if !task.is_last_try {
            return Ok(Outcome::Suspect);
        }
        let mut record = Fields::new();
        let error = to_raw_value(&refusal).map_err(fatal)?;
        record.insert("error".to_owned(), error);
        add_file(&mut record, &task.name, key)?;
        let text = text_of(&record)?;
        self.move_to(Kind::Refused, task, key, &text, &text)?;
        let name = quoted(&task.name.to_string_lossy());
        message!("clip-in: {name} is refused: {refusal}");
        self.counts.refused.fetch_add(1, Ordering::Relaxed);
        Ok(Outcome::Gone)
    }

    /// A kill between two of these steps repeats those before it with the same result.
    fn move_to(
        &self,
        kind: Kind,
        task: &Task,
        key: &str,
        line: &str,
        record: &str,
    ) -> Result<(), Trouble> {
        let (folder, option) = match kind {
            Kind::Done => ("the answer cannot be written", "done"),
            Kind::Refused => ("the error cannot be written", "refused"),
        };
        let place = self.folders.place(kind, &task.name, key);
        let place = place.map_err(|error| of_folder(folder, &error))?;
        let written = place.record(record);
        written.map_err(|error| of_folder(folder, &error))?;
        print_line!("{line}").map_err(|error| Trouble::Fatal(error.into()))?;
        place.take(&task.name).map_err(|error| match error.kind() {
            ErrorKind::CrossesDevices => Trouble::Fatal(anyhow!(in_one_file_system(
                &self.folders.path(&task.name),
                option
            ))),
            _ => of_folder("the file cannot be moved", &error),
        })
    }

    fn has_changed(&self, task: &Task) -> bool {
        let now = Stamp::of(&self.folders.path(&task.name));
        now.is_ok_and(|now| now != task.stamp)
    }
}

/// Reads a file that should have these attributes, before and after.
fn read(path: &Path, stamp: Stamp) -> io::Result<Content> {
    let mut file = match File::open(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Content::Gone),
        // Another program may keep it for itself while it writes.
        Err(error) if error.kind() == ErrorKind::PermissionDenied => {
            return Ok(Content::Unreadable(error));
        }
        file => file?,
    };
    if Stamp::from(&file.metadata()?)? != stamp {
        return Ok(Content::Changed);
    }
    if stamp.bytes > LARGEST {
        return Ok(Content::TooLarge);
    }
    let mut content = Vec::new();
    let bytes = usize::try_from(stamp.bytes).map_err(io::Error::other)?;
    content.try_reserve_exact(bytes)?;
    // One more than it should have: a file that grows is not read for ever.
    (&mut file)
        .take(stamp.bytes + 1)
        .read_to_end(&mut content)?;
    let is_same = content.len() == bytes && Stamp::from(&file.metadata()?)? == stamp;
    Ok(if is_same {
        Content::Whole(content)
    } else {
        Content::Changed
    })
}

fn add_file(fields: &mut Fields, name: &Path, key: &str) -> Result<(), Trouble> {
    let about = [
        ("file", json!(name.to_string_lossy())),
        ("idempotency_key", json!(key)),
    ];
    for (field, value) in about {
        let value = to_raw_value(&value).map_err(fatal)?;
        fields.insert(field.to_owned(), value);
    }
    Ok(())
}

fn text_of(fields: &Fields) -> Result<String, Trouble> {
    serde_json::to_string(fields).map_err(fatal)
}

fn refusal(code: &str, message: String) -> Refusal {
    Refusal {
        code: code.to_owned(),
        message,
        param: String::new(),
    }
}

fn later(what: &str, error: &io::Error) -> Trouble {
    Trouble::Later(format!("{what}: {error}"), None)
}

/// An error in one of the two folders: somebody has to allow it, or it passes.
fn of_folder(what: &str, error: &io::Error) -> Trouble {
    match error.kind() {
        ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem => Trouble::Fatal(anyhow!(
            "{what}: {error}. Let this user write into the folder that is watched, and into those of --done and --refused"
        )),
        _ => later(what, error),
    }
}

fn fatal(error: impl Into<anyhow::Error>) -> Trouble {
    Trouble::Fatal(error.into())
}
