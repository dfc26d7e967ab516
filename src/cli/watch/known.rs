//! Which of the files in the folder are whole, and which wait for what.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::listing::Stamp;

/// A file that is to be inspected.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Task {
    /// Its path below the folder.
    pub name: PathBuf,
    /// Its attributes, which did not change for a while.
    pub stamp: Stamp,
    /// Whether the server refused the same content before: if it does so again, the file is refused.
    pub is_last_try: bool,
}

/// What is known about a task that was given out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// The file was moved, or somebody else took it away.
    Gone,
    /// It was changed since it was whole.
    Changed,
    /// The server refused it for the first time: it may be half of a file.
    Suspect,
}

#[derive(Debug)]
enum State {
    /// It may still be written.
    Settling,
    /// It was given out.
    GivenOut,
    /// The server refused it. If it does not change, it is tried once again at that time.
    Suspect(Instant),
}

#[derive(Debug)]
struct File {
    stamp: Stamp,
    /// When it was first seen with these attributes.
    since: Instant,
    state: State,
    /// The last listing that had it.
    listing: u64,
}

/// The files of the folder.
#[derive(Debug)]
pub struct Known {
    files: HashMap<PathBuf, File>,
    settle: Duration,
    patience: Duration,
    listing: u64,
}

impl Known {
    /// A file is whole after `settle` without a change. A file that was refused has `patience` to change.
    pub fn new(settle: Duration, patience: Duration) -> Self {
        Self {
            files: HashMap::new(),
            settle,
            patience,
            listing: 0,
        }
    }

    /// Whether there is nothing to wait for.
    pub fn is_empty(&self) -> bool {
        self.files.is_empty()
    }

    /// Whether the next listing needs the attributes of a file. Those of files that were given out are not read: there may be
    /// 100,000, on a slow network share.
    pub fn needs_stamp(&self, name: &Path) -> bool {
        !matches!(
            self.files.get(name),
            Some(File {
                state: State::GivenOut,
                ..
            })
        )
    }

    /// Takes a listing with the attributes that are needed; what has none is no longer there. The listing was made between
    /// the two times: all of its files settle at the same time, so that they are given out in order. Returns the files that
    /// are whole now.
    pub fn listed(
        &mut self,
        listed: Vec<(PathBuf, Option<Stamp>)>,
        began: Instant,
        ended: Instant,
    ) -> Vec<Task> {
        self.listing += 1;
        let mut whole = Vec::new();
        for (name, stamp) in listed {
            let Some(stamp) = stamp else {
                if let Some(file) = self.files.get_mut(&name)
                    && matches!(file.state, State::GivenOut)
                {
                    file.listing = self.listing;
                }
                continue;
            };
            let file = self.files.entry(name).or_insert(File {
                stamp,
                since: ended,
                state: State::Settling,
                listing: 0,
            });
            file.listing = self.listing;
            if file.stamp != stamp {
                file.stamp = stamp;
                file.since = ended;
                file.state = State::Settling;
            }
        }
        let (listing, settle) = (self.listing, self.settle);
        self.files
            .retain(|_, file| file.listing == listing || matches!(file.state, State::GivenOut));
        for (name, file) in &mut self.files {
            let is_last_try = match file.state {
                State::Settling if began.saturating_duration_since(file.since) >= settle => false,
                State::Suspect(until) if began >= until => true,
                _ => continue,
            };
            file.state = State::GivenOut;
            whole.push(Task {
                name: name.clone(),
                stamp: file.stamp,
                is_last_try,
            });
        }
        whole
    }

    /// Takes the outcome of a task.
    pub fn finished(&mut self, task: &Task, outcome: Outcome, now: Instant) {
        if outcome == Outcome::Gone {
            self.files.remove(&task.name);
            return;
        }
        if let Some(file) = self.files.get_mut(&task.name) {
            file.since = now;
            file.state = match outcome {
                Outcome::Suspect => State::Suspect(now + self.patience),
                Outcome::Changed | Outcome::Gone => State::Settling,
            };
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::SystemTime;

    use super::*;

    /// A folder with one file, and a clock in tenths of a second.
    struct Folder {
        known: Known,
        start: Instant,
    }

    impl Folder {
        fn new() -> Self {
            Self {
                known: Known::new(Duration::from_millis(500), Duration::from_secs(5)),
                start: Instant::now(),
            }
        }

        fn at(&self, tenths: u64) -> Instant {
            self.start + Duration::from_millis(100 * tenths)
        }

        /// Lists the folder with a file of so many bytes. Returns, for a task, whether it is the last try.
        fn list(&mut self, tenths: u64, bytes: Option<u64>) -> Option<bool> {
            let name = PathBuf::from("a.png");
            let stamp = bytes.map(stamp);
            let stamp = stamp.filter(|_| self.known.needs_stamp(&name));
            let listed = bytes.map(|_| (name, stamp)).into_iter().collect();
            let at = self.at(tenths);
            let tasks = self.known.listed(listed, at, at);
            assert!(tasks.len() < 2);
            tasks.first().map(|task| task.is_last_try)
        }

        fn finish(&mut self, tenths: u64, bytes: u64, outcome: Outcome) {
            let task = Task {
                name: "a.png".into(),
                stamp: stamp(bytes),
                is_last_try: false,
            };
            let at = self.at(tenths);
            self.known.finished(&task, outcome, at);
        }
    }

    fn stamp(bytes: u64) -> Stamp {
        Stamp {
            modified: SystemTime::UNIX_EPOCH,
            bytes,
        }
    }

    #[test]
    fn a_file_is_whole_when_it_does_not_change_and_is_given_out_once() {
        let mut folder = Folder::new();
        assert_eq!(folder.list(0, Some(1)), None);
        assert_eq!(folder.list(4, Some(2)), None);
        assert_eq!(folder.list(8, Some(2)), None);
        assert_eq!(folder.list(9, Some(2)), Some(false));
        assert_eq!(folder.list(100, Some(2)), None);
        folder.finish(101, 2, Outcome::Gone);
        assert!(folder.known.is_empty());
        // Another file with the name.
        assert_eq!(folder.list(102, Some(2)), None);
        assert_eq!(folder.list(107, Some(2)), Some(false));
    }

    #[test]
    fn a_refused_file_is_tried_once_again_unless_it_changes() {
        let mut folder = Folder::new();
        folder.list(0, Some(1));
        assert_eq!(folder.list(5, Some(1)), Some(false));
        folder.finish(6, 1, Outcome::Suspect);
        assert_eq!(folder.list(55, Some(1)), None);
        assert_eq!(folder.list(56, Some(1)), Some(true));
        // It was written in the meantime.
        folder.finish(57, 1, Outcome::Suspect);
        assert_eq!(folder.list(60, Some(2)), None);
        assert_eq!(folder.list(65, Some(2)), Some(false));
        folder.finish(66, 2, Outcome::Changed);
        assert_eq!(folder.list(70, Some(3)), None);
        assert_eq!(folder.list(75, Some(3)), Some(false));
    }

    #[test]
    fn a_file_that_was_removed_is_forgotten() {
        let mut folder = Folder::new();
        folder.list(0, Some(1));
        assert_eq!(folder.list(9, None), None);
        assert!(folder.known.is_empty());
    }
}
