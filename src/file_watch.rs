//! Files that are looked at for changes: certificates and keys are renewed while the server runs.

use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

/// How often they are looked at.
const INTERVAL: Duration = Duration::from_secs(1);

/// What changes with a file's content: when it was written, its length, and which file it is (links may be turned to
/// another one). `None` while it is not there.
type Stamp = Option<(SystemTime, u64, u64)>;

/// Files, and what they were like when they were last looked at.
#[derive(Debug)]
pub struct FileWatch {
    files: Vec<PathBuf>,
    known: Vec<Stamp>,
}

impl FileWatch {
    /// Looks at them now. Begin to watch before you read: what changes in between is not missed then.
    pub fn new(files: Vec<PathBuf>) -> Self {
        let known = stamps(&files);
        Self { files, known }
    }

    /// Returns when one of them is another than it was.
    pub async fn changed(&mut self) {
        loop {
            tokio::time::sleep(INTERVAL).await;
            let now = stamps(&self.files);
            if now != self.known {
                self.known = now;
                return;
            }
        }
    }
}

fn stamps(files: &[PathBuf]) -> Vec<Stamp> {
    files.iter().map(|file| stamp(file)).collect()
}

fn stamp(file: &Path) -> Stamp {
    let file = std::fs::metadata(file).ok()?;
    Some((file.modified().ok()?, file.len(), file.ino()))
}
