//! A folder: each message is a file with its id as the name, so that one that comes twice is there once.

use std::io::Write as _;
use std::path::PathBuf;

use super::failure::Failure;
use super::message::Message;
use crate::whole_file;

/// A folder that takes messages. It is never created: it may be a drive that is not mounted.
#[derive(Debug)]
pub struct Folder(PathBuf);

impl Folder {
    /// Files in a folder.
    pub const fn new(path: PathBuf) -> Self {
        Self(path)
    }

    /// Writes a message. It is on disk, under its name, when this returns.
    ///
    /// # Errors
    /// [`Failure::Away`].
    pub async fn send(&self, message: &Message) -> Result<(), Failure> {
        // Ids are the server's own: hexadecimal digits.
        let path = self.0.join(format!("{}.json", message.id));
        let body = message.body.clone();
        let write = move || whole_file::replace(&path, |mut file| file.write_all(body.as_bytes()));
        let written = tokio::task::spawn_blocking(write).await;
        let written = written.map_err(std::io::Error::other).flatten();
        written.map_err(|error| Failure::Away(format!("{}: {error}", self.0.display())))
    }
}
