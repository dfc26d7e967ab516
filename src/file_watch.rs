//! Watches files for changes, because certificates and keys are renewed while the server runs.

use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

/// Interval of the checks.
const INTERVAL: Duration = Duration::from_secs(1);

/// The attributes that change with a file's content: modification time, length, and the file itself (links may point to
/// another one). `None` if it does not exist.
type Stamp = Option<(SystemTime, u64, u64)>;

/// Files with their attributes at the last check.
#[derive(Debug)]
pub struct FileWatch {
    files: Vec<PathBuf>,
    known: Vec<Stamp>,
}

impl FileWatch {
    /// Reads the attributes now. Begin to watch before you read the file, so that no change in between is missed.
    pub fn new(files: Vec<PathBuf>) -> Self {
        let known = stamps(&files);
        Self { files, known }
    }

    /// Returns when one of them has changed.
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
